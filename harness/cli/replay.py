"""``harness replay``: what an iterating experiment printed while it ran, from its records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import app
from harness.cli.common_options import with_results
from harness.cli.results import note_looks
from harness.console import echo
from harness.errors import ConfigurationError

if TYPE_CHECKING:
    from harness.records import FiledRun

EVENTS = "events"
"""The key of a record under which its run's events are."""


@app.command()
@with_results()
def replay(
    results: list[Path],
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Replay this run. Default: the newest that can be replayed."),
    ] = None,
    trial: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this trial, by its id or the end of it; may be repeated."),
    ] = None,
) -> None:
    """Print what an iterating experiment printed live, from its records. Runs nothing."""
    import sys

    from harness.runner import RichOutput
    from harness.runner.events import tell

    found = _run(results, run)
    records = _chosen(_in_order(found), trial or ())
    note_looks(results, "replay", {found.run_id})
    for record in records:
        echo()
        console = RichOutput(sys.stdout)
        for event in record[EVENTS]:
            tell(event, console)


def _run(paths: Sequence[Path], run_id: str | None) -> FiledRun:
    """The run of that id, else the newest with events. Raises `ConfigurationError`."""
    from harness.records import record_files, runs_in_files

    runs = [one for one in runs_in_files(record_files(paths), keep=_kept) if _records(one)]
    where, known = ", ".join(map(str, paths)), ", ".join(one.run_id for one in runs)
    if not runs:
        raise ConfigurationError(
            f"{where}: no trial of an iterating experiment; expected one, such as payments."
        )
    chosen = [one for one in runs if run_id in (None, one.run_id)]
    if not chosen:
        raise ConfigurationError(f"--run {run_id}: no run to replay in {where}; expected one of {known}.")
    return max(chosen, key=lambda one: one.run_id)


def _kept(record: dict[str, Any]) -> Mapping[str, Any]:
    wanted = {"samples", "transcript", "turns", "iterations"}
    return {key: value for key, value in record.items() if key not in wanted}


def _records(run: FiledRun) -> list[Mapping[str, Any]]:
    """Every recorded attempt with events: of each trial the failed ones, then the accepted one."""
    tries = (
        record
        for one in run.outcomes.values()
        for record in (*one.failures, *([one.accepted] if one.accepted is not None else []))
    )
    return [record for record in tries if isinstance(record.get(EVENTS), list)]


def _in_order(run: FiledRun) -> list[Mapping[str, Any]]:
    """The records in the order of their cases in a session."""
    from harness.runtime.plan import arm_order, block_rank

    seed = next((one["seed"] for one in run.metadata if "seed" in one), 0)

    def place(record: Mapping[str, Any]) -> tuple[object, ...]:
        block = (record["rep"], record["panel"], record["proposal"])
        arms = arm_order(seed, run.experiment, block, run.design.groups)
        arm = arms.index(record["group"]) if record["group"] in arms else len(arms)
        return (record["rep"], block_rank(seed, run.experiment, block), arm, record["trial"])

    return sorted(_records(run), key=place)


def _chosen(records: list[Mapping[str, Any]], wanted: Sequence[str]) -> list[Mapping[str, Any]]:
    def meant(record: Mapping[str, Any]) -> bool:
        return any(f"/{record['trial']}".endswith(f"/{name}") for name in wanted)

    unknown = [name for name in wanted if not any(f"/{one['trial']}".endswith(f"/{name}") for one in records)]
    if unknown:
        known = ", ".join(str(one["trial"]) for one in records)
        raise ConfigurationError(
            *(f"--trial {name}: no such trial; expected one of {known}." for name in unknown)
        )
    return [one for one in records if not wanted or meant(one)]
