"""``harness study``: a study begun, its batches declared and run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common_options import Count, Reruns, TestFile, with_options, with_settings
from harness.cli.study_app import IDENTIFYING, SESSION, BatchName, manifest_of, study, with_study
from harness.console import echo
from harness.errors import ConfigurationError, ExitCode
from harness.runtime.settings import Settings

if TYPE_CHECKING:
    from harness.batches.manifest import Manifest
    from harness.batches.study_layout import Study


@study.command()
@with_study(new=True)
def init(
    place: Study,
    example: Annotated[
        bool, typer.Option("--example", help="Add an invented town that is ready to build.")
    ] = False,
) -> None:
    """Create a study's folders and an empty registry; existing ones stay unchanged."""
    from harness.batches.batch_kind import registered
    from harness.batches.batch_plan import start_study

    start_study(place)
    echo(place.folder)
    if example:
        written = [path for kind in registered() for path in kind.write_example(place)]
        if not written:
            raise ConfigurationError("No installed package has an example of a study.")
        for path in written:
            echo(f"Written: {path}")


_AXES = {"allow_extra_args": True, "ignore_unknown_options": True}


@dataclass(frozen=True)
class BatchOptions:
    """The options of a new batch."""

    exp: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The experiment. Default: the simulation of the study's scenario."),
    ] = None
    path: TestFile = None
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The first seed.")] = 0
    count: Count = None
    intent: Annotated[
        str | None, typer.Option(help="A word or two for the batch's id. Default: the axes, or baseline.")
    ] = None
    objective: Annotated[str | None, typer.Option(help="The question that the batch answers.")] = None
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="Metric of success. Default: the first.")
    ] = None
    gate_profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Gate profile to check results against. Default: of pipeline.yaml."
        ),
    ] = None
    schema_map: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Schema map of the gates, below the study. Default: of pipeline.yaml."
        ),
    ] = None
    scenario_rev: Annotated[
        str | None, typer.Option(metavar="scn-vNN", help="Revision of the scenario. Default: the newest.")
    ] = None
    config_rev: Annotated[
        str | None,
        typer.Option(metavar="cfg-vNN", help="Revision of the configuration. Default: the newest."),
    ] = None


def _declare(
    place: Study,
    wanted: BatchOptions,
    settings: Settings,
    axes: Sequence[tuple[str, Sequence[str]]],
    *,
    confidence: int = 1,
    factorial: bool = False,
) -> Manifest:
    from harness.batches.batch_kind import BatchRequest, kind_of
    from harness.batches.batch_plan import create
    from harness.cli.study_session import facts, find_experiment, identifying

    path = _declaring(place, wanted.exp, wanted.path)
    experiment = find_experiment(wanted.exp, path, settings.notebooks)
    profile, schema_map = kind_of(path).rules(place)
    request = BatchRequest(
        experiment=experiment,
        axes=axes,
        seeds=[wanted.seed + step for step in range(confidence)],
        intent=wanted.intent or "-".join(axis for axis, _ in axes),
        objective=wanted.objective or f"Vary {' and '.join(axis for axis, _ in axes)} of {experiment.name}",
        success_metric=wanted.metric or experiment.metric_names[0],
        gate_profile=wanted.gate_profile or profile,
        schema_map=wanted.schema_map or schema_map,
        options=identifying(settings, wanted.count),
        factorial=factorial,
        scenario_rev=wanted.scenario_rev,
        config_rev=wanted.config_rev,
        path=str(path.resolve()) if path else None,
    )
    return create(place, request, facts, datetime.now(UTC))


def _declaring(place: Study, exp: str | None, path: Path | None) -> Path | None:
    """The file that declares the experiment: without any option, the one that the study keeps."""
    from harness.batches.batch_kind import registered

    if exp is not None or path is not None:
        return path
    kept = {file: kind for kind in registered() if (file := kind.experiment_file(place)) is not None}
    for file in kept:
        if file.is_file():
            return file
    hints = "".join(f", or {kind.build_hint} {place.name}" for kind in kept.values())
    absent = "".join(f", and {file} is not there" for file in kept)
    raise ConfigurationError(f"No --exp{absent}; expected the name of an experiment{hints}")


@study.command(context_settings=_AXES)
@with_settings(*IDENTIFYING, *SESSION)
@with_study()
@with_options("wanted", BatchOptions)
def sweep(
    ctx: typer.Context,
    place: Study,
    wanted: BatchOptions,
    settings: Settings,
    confidence: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Number of seeds for each variant.")
    ] = 1,
    factorial: Annotated[
        bool, typer.Option("--full-factorial", help="Run all combinations of several axes.")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Write the manifest and run nothing.")
    ] = False,
    reruns: Reruns = None,
) -> None:
    """Vary one axis, each value under each seed: --axis threshold 2 3 4. With --confidence alone, vary the seed."""
    axes = list(_axes(ctx.args))
    if "seed" in dict(axes) and (confidence > 1 or wanted.seed):
        raise ConfigurationError("--axis seed names the seeds; expected neither --confidence nor --seed.")
    axes = axes or [("seed", [str(wanted.seed + step) for step in range(confidence)])]
    made = _declare(place, wanted, settings, axes, confidence=confidence, factorial=factorial)
    echo(
        f"{place.batch(made.batch_id).manifest}: {len(made.variants)} variants, {made.scenario_rev}, {made.config_rev}"
    )
    if not plan_only:
        raise typer.Exit(_run(place, made, settings, reruns))


@study.command()
@with_settings(*IDENTIFYING)
@with_study()
@with_options("wanted", BatchOptions)
def new(place: Study, wanted: BatchOptions, settings: Settings) -> None:
    """Declare a batch of one variant, the experiment unchanged, and run nothing yet."""
    wanted = replace(wanted, intent=wanted.intent or "baseline")
    made = _declare(place, wanted, settings, [("seed", [str(wanted.seed)])])
    echo(place.batch(made.batch_id).manifest)


@study.command()
@with_settings(*SESSION, "accept_lost_journal")
@with_study()
def run(place: Study, settings: Settings, batch_id: BatchName = None, reruns: Reruns = None) -> None:
    """Run the unfinished variants of a batch. Rerun to resume; does nothing once finished."""
    raise typer.Exit(_run(place, manifest_of(place, batch_id), settings, reruns))


def _run(place: Study, made: Manifest, settings: Settings, reruns: int | None) -> int:
    from harness.batches.batch_run import UnkeptError, run_batch
    from harness.batches.gate_status import metas
    from harness.cli.study_session import Sessions, experiment_of, facts

    batch = place.batch(made.batch_id)
    try:
        ran = run_batch(
            place,
            made,
            experiment_of(made, batch),
            facts=facts,
            launch=Sessions(batch.heartbeat, settings, reruns),
        )
    except UnkeptError as error:
        echo(f"ERROR: {error}\nIt ran, and is kept: harness study run {place.name} {made.batch_id}", err=True)
        return int(ExitCode.FAILED)
    for row in ran.rows:
        echo(f"{row.variant_id}  {row.status}  {row.notes.partition(': ')[2] or row.notes}")
    if ran.before:
        echo(f"{ran.before} of {len(made.variants)} variants were already finished and stay unchanged.")
    if ran.stuck:
        echo(f"\n{ran.stuck}\n")
    if any(meta.get("rehearsal") for one in made.variants for meta in metas(batch.variant(one.id))):
        echo("REHEARSAL: replies were generated offline. Nothing here is evidence.")
    echo(f"{made.batch_id}: exit code {ran.code} ({ExitCode(ran.code).name})")
    if ran.code == ExitCode.OK:
        echo(f"Next: harness study compare {place.name} {made.batch_id}, then finish and promote")
    return ran.code


def _axes(words: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """``--axis NAME VALUE…``, any number of times. Raises `ConfigurationError` for anything else."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, equals, axis = word.partition("=")
        if option != "--axis":
            raise ConfigurationError(
                f"harness study sweep: unknown option {word!r}; expected --axis NAME VALUE… or one of --help."
            )
        if not equals:
            axis = rest.pop(0) if rest else ""
        values = []
        while rest and not rest[0].startswith("--"):
            values.append(rest.pop(0))
        yield axis, values
