"""``harness review``: people score transcripts without knowing the arm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.analyse import AnalysisFormat, writer
from harness.cli.app import app
from harness.cli.looking import note_looks
from harness.console import echo, echo_json
from harness.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from harness.records import FiledRun
    from harness.reports.review import CallReader, Exported

group = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Blind review by people: sheets out, scores in, and what they come to.",
)
app.add_typer(group, name="review")

Results = Annotated[
    list[Path] | None, typer.Argument(help="Folders of results or JSONL files.", show_default="results")
]
Run = Annotated[str | None, typer.Option(help="The run's id, where there are several.")]


@group.command("export")
def export_(
    results: Results = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for reviewers, or one file, .html or .csv. Required.")
    ] = None,
    run: Run = None,
    seed: Annotated[
        int | None, typer.Option(help="Same seed, same ids and order. Whoever guesses it can tell the arms.")
    ] = None,
    reviewer: Annotated[str, typer.Option(help="Whom the sheets are for.")] = "",
    key: Annotated[
        Path | None,
        typer.Option(
            help="Key file, kept from reviewers.", show_default="review-key.json beside the records"
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Hide ordinary words too that only one arm's tools are named with."),
    ] = False,
) -> None:
    """Write blind sheets: a page and a CSV, an item per transcript, in random order."""
    from harness.reports.review import export

    if out is None:
        raise ConfigurationError(
            "harness review export: expected --out with a folder, or a file .html or .csv."
        )
    found = _run(results, run)
    done = export(found, out, key=key, seed=seed, reviewer=reviewer, reading=_reading(found), strict=strict)
    for line in exported_lines(done):
        echo(line)


def exported_lines(done: Exported) -> list[str]:
    """What was written, what was hidden, and what was not."""
    lines = [f"{path}" for path in done.files]
    lines.append(f"{done.items} transcripts; {done.hidden} names of tools or arms hidden in their texts.")
    if done.hinting:
        words = ", ".join(done.hints)
        lines.append(
            f"Words that only one arm's tools are named with ({words}) stand in {done.hinting} replies: reviewers may "
            "guess from them. --strict hides them too."
        )
    return [*lines, f"Key, to be kept from reviewers: {done.key}"]


@group.command("import")
def import_(
    scores: Annotated[Path, typer.Argument(help="Scores as the page saved them, or the CSV filled in.")],
    key: Annotated[Path, typer.Option(help="Key file of the export.")] = Path("results/review-key.json"),
    reviewer: Annotated[str | None, typer.Option(help="Who scored, where the file does not say.")] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of the records.", show_default="where the key is")
    ] = None,
) -> None:
    """Check scores, and keep them beside the records; nothing is kept when anything is wrong."""
    from harness.reports.review import import_scores
    from harness.reports.review.score_import import sent_and_key

    sent, own = sent_and_key(scores, key)
    done = import_scores(sent, own, _run([results or key.parent], own.run_id), reviewer=reviewer)
    echo(
        f"{done.reviewer}: {done.added.new} transcripts scored, {done.added.changed} scored anew, "
        f"{done.added.same} as before; {done.left} of this export without scores."
    )
    echo(done.path)


@group.command()
def show(
    results: Results = None,
    run: Run = None,
    reviewer: Annotated[
        list[str] | None, typer.Option(help="Only by this reviewer; may be repeated. Default: all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, sorted by key.")] = False,
    format: Annotated[
        AnalysisFormat, typer.Option(help="text, 80 columns wide, or md.")
    ] = AnalysisFormat.TEXT,
) -> None:
    """Tell what a complete review comes to, arm by arm and scenario by scenario; else what is missing."""
    from harness.reports.review import review_of
    from harness.reports.review.rendering import review_json, review_parts

    found = _run(results, run)
    outcome = review_of(found, reviewer or ())
    if as_json:
        content = review_json(outcome)
        echo_json(content, sort_keys=True)
    else:
        echo(writer(format)(review_parts(outcome)), end="")
    if not outcome.complete:
        raise typer.Exit(int(ExitCode.FAILED))
    note_looks(results or [Path("results")], "review", {found.run_id})


def _run(results: list[Path] | None, run_id: str | None) -> FiledRun:
    """The run of that id, or the only one, with its records whole."""
    from harness.records import record_files, runs_in_files

    paths = results or [Path("results")]
    for path in paths:
        if not path.exists():
            raise ConfigurationError(f"{path}: no such file or folder; expected results of a run.")
    runs = runs_in_files(record_files(paths), keep=lambda record: record)
    wanted = [one for one in runs if run_id in (None, one.run_id)]
    if len(wanted) == 1:
        return wanted[0]
    known = ", ".join(f"{one.run_id} ({one.experiment})" for one in runs) or "none"
    asked = "" if run_id is None else f" {run_id}"
    raise ConfigurationError(
        f"--run{asked}: {len(wanted)} runs in {', '.join(map(str, paths))}; expected one of {known}."
    )


def _reading(run: FiledRun) -> CallReader:
    """How the run's calls are read without naming the arm."""
    from harness.guests import guests
    from harness.reports.review import CallReader

    readers = (guest.call_reader(run.experiment) for guest in guests().values())
    return next(filter(None, readers), CallReader())
