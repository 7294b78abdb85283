"""``harness review``: people score transcripts without knowing the arm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app
from harness.cli.command_group import CommandApp
from harness.cli.common_options import AsJson, Format, OneRun, TextFormat, settings_here, with_results
from harness.cli.results import find_run, formatted, note_looks
from harness.console import echo, echo_json
from harness.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from harness.records import FiledRun
    from harness.reports.review import CallReader, Exported

group = CommandApp(help="Have people score transcripts without knowing the arm.")
app.add_typer(group, name="review")


@group.command("export")
@with_results()
def export_(
    results: list[Path],
    out: Annotated[
        Path | None, typer.Option(help="Folder for reviewers, or one file, .html or .csv. Required.")
    ] = None,
    run: OneRun = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Seed of ids and order; keep it from reviewers. Default: a random one."
        ),
    ] = None,
    reviewer: Annotated[str, typer.Option(metavar="NAME", help="Reviewer to prepare the sheets for.")] = "",
    key: Annotated[
        Path | None,
        typer.Option(help="Key file, to keep from reviewers. Default: review-key.json beside the records."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Also hide ordinary words that occur in one arm's tool names only."),
    ] = False,
) -> None:
    """Write blind sheets: a page and a CSV with one item per transcript, in random order."""
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
            f"{done.hinting} replies contain words that only one arm's tools are named with ({words}): reviewers may "
            "guess from them. --strict hides them too."
        )
    return [*lines, f"Key, to be kept from reviewers: {done.key}"]


@group.command("import")
@with_results(files=False, hidden=("--results",))
def import_(
    results: Path | None,
    scores: Annotated[
        Path, typer.Argument(metavar="FILE", help="Scores saved by the page, or the completed CSV.")
    ],
    key: Annotated[
        Path | None,
        typer.Option(help="Key file of the export. Default: review-key.json in the results folder."),
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(metavar="NAME", help="The reviewer, if the file does not name one.")
    ] = None,
) -> None:
    """Check scores and store them beside the records; store nothing if anything is wrong."""
    from harness.reports.review import import_scores
    from harness.reports.review.score_import import sent_and_key

    key = key or (results or settings_here().results_dir) / "review-key.json"
    sent, own = sent_and_key(scores, key)
    done = import_scores(sent, own, _run([results or key.parent], own.run_id), reviewer=reviewer)
    echo(
        f"{done.reviewer}: {done.added.new} transcripts scored, {done.added.changed} scored again, "
        f"{done.added.same} as before; {done.left} of this export without scores."
    )
    echo(done.path)


@group.command()
@with_results()
def show(
    results: list[Path],
    run: OneRun = None,
    reviewer: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this reviewer; may be repeated.")
    ] = None,
    as_json: AsJson = False,
    format: Format = TextFormat.TEXT,
) -> None:
    """Show the result of a complete review by arm and scenario, or what is missing."""
    from harness.reports.review import review_of
    from harness.reports.review.rendering import review_json, review_parts

    found = _run(results, run)
    outcome = review_of(found, reviewer or ())
    if as_json:
        content = review_json(outcome)
        echo_json(content, sort_keys=True)
    else:
        echo(formatted(review_parts(outcome), format), end="")
    if not outcome.complete:
        raise typer.Exit(int(ExitCode.FAILED))
    note_looks(results, "review", {found.run_id})


def _run(paths: list[Path], run_id: str | None) -> FiledRun:
    """The run of that id, or the only one, with its records whole."""
    return find_run(paths, run_id, keep=lambda record: record)


def _reading(run: FiledRun) -> CallReader:
    """How the run's calls are read without naming the arm."""
    from harness.guests import call_reader
    from harness.reports.review import CallReader

    return call_reader(run.experiment) or CallReader()
