"""``harness variants``: which tool variant to adopt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common_options import AsJson, Format, NewestRuns, TextFormat, with_results
from harness.cli.results import formatted, note_looks, print_answers
from harness.console import echo
from harness.errors import ConfigurationError
from harness.experiments.tool_variants.experiment import NAME

if TYPE_CHECKING:
    from harness.records import FiledRun


@with_results()
def variants(
    results: list[Path],
    run: NewestRuns = None,
    as_json: AsJson = False,
    format: Format = TextFormat.TEXT,
    rejudge: Annotated[
        bool,
        typer.Option("--rejudge", help="Judge the recorded turns by the current rules; makes no call."),
    ] = False,
) -> None:
    """Decide between tool variants: ADOPT, REJECT or REVISIT, by scenario and the recorded rule."""
    from harness.checks import examine
    from harness.experiments.tool_variants.analysis import analyse
    from harness.experiments.tool_variants.rendering import answer_json, answer_parts
    from harness.experiments.tool_variants.run_checks import examine as own
    from harness.experiments.tool_variants.run_records import read_run

    found = _runs(results, run or [])
    if rejudge:
        echo(_judged_again(results, {one.run_id for one in found}, format), end="")
        return
    answers = [analyse(read_run(one), examine(one, own=own)) for one in found]
    note_looks(results, "variants", {one.run_id for one in found})
    print_answers(answers, answer_json, answer_parts, format, as_json=as_json)


def _judged_again(paths: list[Path], ids: set[str], format: TextFormat) -> str:
    """The outcomes of recorded turns by the current rules, run by run."""
    from harness.experiments.tool_variants.rejudge import changes, rejudge
    from harness.records import record_files, runs_in_files
    from harness.reports.parts import Heading, Items, Part

    texts = []
    for run in (one for one in runs_in_files(record_files(paths)) if one.run_id in ids):
        judged = rejudge(run)
        table, changed = changes(judged), sum(one.changed for one in judged)
        lost = [f"{one.trial}: {one.why}" for one in judged if one.now is None]
        text = f"{changed} of {len(judged)} turns have another outcome by the current rules; records are unchanged."
        parts: list[Part] = [
            Heading(f"{NAME}, run {run.run_id}"),
            Items((text, *lost)),
            *([table] if changed else []),
        ]
        texts.append(formatted(parts, format))
    return "\n".join(texts)


def _runs(paths: list[Path], ids: list[str]) -> list[FiledRun]:
    """The runs of ``ids``, else the newest; a part, or a rehearsal, only if there is nothing else."""
    from harness.checks import CheckRunner
    from harness.records import record_files, runs_in_files

    runs = [
        one for one in runs_in_files(record_files(paths), keep=CheckRunner().keep) if one.experiment == NAME
    ]
    where = ", ".join(map(str, paths))
    if not runs:
        raise ConfigurationError(
            f"No records of {NAME} in {where}; expected those of pytest -m experiment -k {NAME}."
        )
    known = {one.run_id for one in runs}
    problems = [
        f"Run {name!r}: no records in {where}; expected one of {', '.join(sorted(known))}."
        for name in ids
        if name not in known
    ]
    if problems:
        raise ConfigurationError(*problems)
    if ids:
        return [one for one in runs if one.run_id in ids]
    return [max(runs, key=lambda one: (not one.rehearsal, one.design.only is None, one.run_id))]
