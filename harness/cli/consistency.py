"""``harness consistency``: compare a new result with a published or an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.common_options import AsJson, Experiments, Format, NewestRuns, TextFormat, with_results
from harness.cli.results import datasets_in, has_records, note_looks, print_answers
from harness.errors import ConfigurationError
from harness.extras import require

if TYPE_CHECKING:
    from harness.model import Dataset

PUBLISHED = "published"


@app.command()
@with_results()
def consistency(
    results: Path,
    with_: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="DIR",
            help="Earlier results: a folder of records or artifacts, or 'published' for the paper's (in "
            "TINYTROUPE_REPO_DIR).",
        ),
    ],
    delta: Annotated[
        float, typer.Option(metavar="POINTS", help="By how much effects may differ; choose it beforehand.")
    ] = 0.5,
    exp: Experiments = None,
    run: NewestRuns = None,
    as_json: AsJson = False,
    format: Format = TextFormat.TEXT,
) -> None:
    """Compare each new effect with an earlier one: consistent, inconsistent or inconclusive."""
    require("analysis", "harness consistency")
    from harness.guests import comparable
    from harness.reports.agreement import agreement_json, agreement_parts
    from harness.stats import consistency as compared

    if not 0 < delta < float("inf"):
        raise ConfigurationError(
            f"--delta {delta:g}: expected a margin above 0, in points of the metric's scale."
        )
    earlier = _folder(with_)
    pairs = _pairs(_datasets(results, run or (), exp or ()), _datasets(earlier), str(results), with_)
    for place, ids in (
        (results, {one.source for one, _ in pairs}),
        (earlier, {one.source for _, one in pairs}),
    ):
        if has_records(place):
            note_looks([place], "consistency", ids)
    found = []
    for mine, theirs in pairs:
        one, other = comparable(mine), comparable(theirs)
        found.append((compared(one, other, delta=delta), one, other))
    print_answers(
        found,
        lambda each: agreement_json(*each),
        lambda each: agreement_parts(*each),
        format,
        as_json=as_json,
    )


def _folder(name: str) -> Path:
    from harness.runtime.settings import find_checkout

    if name != PUBLISHED:
        return Path(name)
    checkout = find_checkout()
    if checkout is None:
        raise ConfigurationError(
            "--with published: TINYTROUPE_REPO_DIR names no TinyTroupe checkout; set it, or name the folder of the "
            "published artifacts: --with DIR."
        )
    return checkout


def _datasets(path: Path, runs: Sequence[str] = (), only: Sequence[str] = ()) -> list[Dataset]:
    """One dataset per experiment: of records the newest run, a rehearsal only where there is nothing else."""
    if not has_records(path):
        return datasets_in(path, runs, only)
    newest = {}
    for one in sorted(datasets_in(path, runs, only), key=lambda one: (not one.rehearsal, one.source)):
        newest[one.experiment] = one
    return [newest[name] for name in sorted(newest)]


def _pairs(
    new: Sequence[Dataset], original: Sequence[Dataset], where: str, other: str
) -> list[tuple[Dataset, Dataset]]:
    by_name = {one.experiment: one for one in original}
    pairs = [(one, by_name[one.experiment]) for one in new if one.experiment in by_name]
    if not pairs:
        raise ConfigurationError(
            f"No experiment in common: {where} has {', '.join(one.experiment for one in new)}; "
            f"{other} has {', '.join(by_name)}."
        )
    return pairs
