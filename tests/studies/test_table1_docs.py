"""The blocked table in the documentation is the one that is computed."""

from __future__ import annotations

from pathlib import Path

from harness.reports.numbers import fixed, p_value, signed, span, whole
from harness.stats import analyse
from harness.stats.results import Comparison
from harness.studies.table1.published import published_datasets
from tests.support.published import june_artifacts

DOCS = Path(__file__).resolve().parents[2] / "docs" / "table1.md"


def cells(experiment: str, one: Comparison) -> list[str]:
    welch = next(each for each in one.secondary if each.method == "Welch on raw scores")
    found = one.primary
    t = None if found.difference is None or not found.se else found.difference / found.se
    blocked = (span(found.interval), fixed(t), whole(found.df), p_value(found.p), p_value(one.p_adjusted))
    return [experiment, one.metric, signed(welch.difference), p_value(welch.p), *blocked]


def test_the_blocked_table_of_all_four_experiments() -> None:
    computed = [
        cells(data.experiment, one)
        for data in published_datasets(june_artifacts())
        for one in analyse(data, mixed=False).comparisons
    ]
    lines = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| exp_")]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == computed
    assert len(computed) == 24
