"""A report as Markdown, for a README or a paper's appendix: the verdict and the tables, without figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.reports import design_summary, own_answer, run_tables
from harness.reports.numbers import counted
from harness.reports.page import RunSection, sections, title
from harness.reports.parts import REHEARSAL, Heading, Items, Part, Table, as_markdown, bounded
from harness.reports.run_report import RunReport, Selection
from harness.reports.run_tables import Captioned
from harness.reports.verdict import Verdict

MAX_CELL = 300
"""Characters of a text in a table."""


def markdown(selection: Selection) -> bytes:
    """The report in UTF-8. Texts from models are escaped: they add neither markup nor HTML."""
    parts: list[Part] = [Heading(f"Experiment report: {title(selection)}", 1)]
    for section in sections(selection.told):
        parts += _run(section)
    return as_markdown(parts).encode("utf-8", "replace")


def _run(section: RunSection) -> Iterator[Part]:
    told = section.told
    yield Heading(f"{told.experiment}, run {told.run_id}", 2)
    if told.rehearsal:
        yield REHEARSAL
    yield design_summary.question(told)
    arms = (f"{group}: {design_summary.arm(line)}" for group, line in told.arms().items())
    yield Items((*arms, design_summary.size(told), design_summary.answered_by(told)))
    yield from _verdict(section.verdict, told.plan())
    yield from own_answer.below(told.answer)
    if section.grid:
        yield from _captioned(section.outcomes, told)
        yield from _captioned(section.grid.table(), told)
    yield from _tables(told)


def _verdict(verdict: Verdict, plan: Sequence[str]) -> Iterator[Part]:
    yield Heading("Verdict", 3)
    yield verdict.headline
    if verdict.statements:
        yield Items(
            tuple(f"{one.metric}. {one.text} Claimed for: {one.estimand}." for one in verdict.statements)
        )
    if plan:
        yield "The plan:"
        yield Items(tuple(map(bounded, plan)))
    if verdict.cautions:
        yield "Before believing it:"
        yield Items(tuple(map(bounded, verdict.cautions)))


def _tables(told: RunReport) -> Iterator[Part]:
    made = (
        run_tables.outcomes(told),
        run_tables.counts(told),
        run_tables.effects(told),
        run_tables.alarms(told),
    )
    for captioned in made:
        if captioned is not None:
            yield from _captioned(captioned, told)
    yield f"{counted(len(run_tables.passes(told).table.rows), 'check')} passed."
    why = run_tables.reasons(told)
    yield from _captioned(run_tables.missing(told), told)
    if why is not None:
        yield from _captioned(why, told)
    for captioned in (run_tables.calls(told), run_tables.times(told), run_tables.provenance(told)):
        yield from _captioned(captioned, told)


def _captioned(captioned: Captioned, told: RunReport) -> Iterator[Part]:
    """A table that is copied out of a rehearsal still says so."""
    table = captioned.table
    yield Heading(captioned.caption + " (rehearsal)" * told.rehearsal, 3)
    yield Table(
        table.head, tuple(tuple(bounded(cell, MAX_CELL) for cell in row) for row in table.rows), table.left
    )
    if captioned.note:
        yield bounded(captioned.note)
