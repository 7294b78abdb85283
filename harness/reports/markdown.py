"""A report as Markdown: the verdict and the tables, without figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.reports import answer_sections, design_summary, own_answer, run_tables
from harness.reports.human_comparison import comparison_parts
from harness.reports.numbers import counted
from harness.reports.page import RunSection, sections, title
from harness.reports.parts import REHEARSAL, Heading, Items, Part, Table, as_markdown, bounded
from harness.reports.run_report import RunReport, Selection
from harness.reports.run_tables import Captioned
from harness.reports.verdict import Verdict

MAX_CELL = 300
"""The most characters of a text in a table."""


def markdown(selection: Selection) -> bytes:
    """The report in UTF-8. Texts from models are escaped and add no markup."""
    parts: list[Part] = [Heading(f"Experiment report: {title(selection)}", 1)]
    for section in sections(selection.reports):
        parts += _run(section)
    return as_markdown(parts).encode("utf-8", "replace")


def _run(section: RunSection) -> Iterator[Part]:
    report = section.report
    yield Heading(f"{report.experiment}, run {report.run_id}", 2)
    if report.rehearsal:
        yield REHEARSAL
    yield design_summary.question(report)
    arms = (f"{group}: {design_summary.arm(line)}" for group, line in report.arms().items())
    yield Items((*arms, design_summary.size(report), design_summary.answered_by(report)))
    yield from _verdict(section.verdict, report.plan())
    yield from own_answer.below(report.answer)
    if section.grid:
        yield from _captioned(section.outcomes, report)
        yield from _captioned(section.grid.table(), report)
    if report.people_problem:
        yield report.people_problem
    for found in report.people:
        yield Heading(f"Beside people: {found.humans.name}", 3)
        yield from own_answer.below(comparison_parts(found))
    yield from own_answer.below(report.preferences)
    yield from _tables(report)


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
        yield "Cautions:"
        yield Items(tuple(map(bounded, verdict.cautions)))


def _tables(report: RunReport) -> Iterator[Part]:
    made = (
        run_tables.outcomes(report) if report.design.metrics else None,
        run_tables.counts(report),
        *run_tables.contrasts(report),
        run_tables.effects(report) if report.design.metrics else None,
        *answer_sections.across_items(report),
        *answer_sections.ranks(report),
        *answer_sections.cumulative_shares(report),
        *((answer_sections.moderation(report),) if answer_sections.is_moderation_tested(report) else ()),
        *answer_sections.subgroups(report),
        run_tables.alarms(report),
    )
    for captioned in made:
        if captioned is not None:
            yield from _captioned(captioned, report)
    yield f"{counted(len(run_tables.passes(report).table.rows), 'check')} passed."
    why = run_tables.reasons(report)
    yield from _captioned(run_tables.missing(report), report)
    if why is not None:
        yield from _captioned(why, report)
    for captioned in (run_tables.calls(report), run_tables.times(report), run_tables.provenance(report)):
        yield from _captioned(captioned, report)


def _captioned(captioned: Captioned, report: RunReport) -> Iterator[Part]:
    """The caption marks a rehearsal, because tables are copied."""
    table = captioned.table
    yield Heading(captioned.caption + " (rehearsal)" * report.rehearsal, 3)
    yield Table(
        table.head, tuple(tuple(bounded(cell, MAX_CELL) for cell in row) for row in table.rows), table.left
    )
    if captioned.note:
        yield bounded(captioned.note)
