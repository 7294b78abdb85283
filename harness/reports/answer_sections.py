"""The report's sections on answers of one persona each, as captioned tables."""

from __future__ import annotations

from collections.abc import Iterator

from harness.reports import answer_tables
from harness.reports.parts import grouped
from harness.reports.run_report import RunReport
from harness.reports.run_tables import Captioned


def across_items(report: RunReport) -> Iterator[Captioned]:
    """Items on one scale together, for each pair of arms."""
    for same in grouped(report.analysis.across_items, lambda one: one.contrast):
        caption = f"{answer_tables.ACROSS}: {same[0].contrast}"
        note = " ".join(answer_tables.about_across(same))
        yield Captioned(caption, answer_tables.across_table(same), note)


def ranks(report: RunReport) -> Iterator[Captioned]:
    """The test by ranks of each ordinal metric."""
    found = report.analysis.shares
    if found:
        note = " ".join(answer_tables.about_shares(found))
        yield Captioned("Ordinal answers by ranks", answer_tables.rank_table(found), note)


def cumulative_shares(report: RunReport) -> Iterator[Captioned]:
    """A table per ordinal metric and pair of arms."""
    for one in report.analysis.shares:
        scale = report.dataset.scales.get(one.metric)
        name = scale.label if scale is not None and scale.label else one.metric
        yield Captioned(f"{name} ({one.contrast})", answer_tables.shares_table(one, scale, named=False))


def is_moderation_tested(report: RunReport) -> bool:
    """Whether any attribute of the personas could be tested."""
    return answer_tables.is_tested(report.analysis.moderation)


def why_untested(report: RunReport) -> Iterator[str]:
    """Why no attribute could be tested."""
    return answer_tables.why_untested(report.analysis.moderation)


def moderation(report: RunReport) -> Captioned:
    """The tests of treatment × attribute."""
    found = report.analysis.moderation
    note = " ".join(answer_tables.about_moderation(found))
    return Captioned("Treatment × attribute", answer_tables.moderation_table(found), note)


def subgroups(report: RunReport) -> Iterator[Captioned]:
    """Means of subgroups, a table per metric and pair of arms."""
    for same in answer_tables.detailed(report.analysis.moderation):
        note = " ".join(answer_tables.about_subgroups(same))
        yield Captioned(f"{same[0].metric}: {same[0].contrast}", answer_tables.subgroup_table(same), note)
