"""The tables in the documentation are those that are computed."""

from __future__ import annotations

from pathlib import Path

from harness.experiments.table1.published_samples import published_datasets
from harness.reports.numbers import fixed, p_value, signed, span, whole
from harness.stats import analyse
from harness.stats.results import Comparison, Estimate, Quantity
from tests.support.published import june_artifacts
from tests.support.scores import without_mixed_model

FOLDER = Path(__file__).resolve().parents[2] / "docs"
DOCS = FOLDER / "table1.md"


def cells(experiment: str, one: Comparison) -> list[str]:
    welch = next(each for each in one.secondary if each.method == "Welch on raw scores")
    found = one.primary
    t = None if found.difference is None or not found.se else found.difference / found.se
    blocked = (span(found.interval), fixed(t), whole(found.df), p_value(found.p), p_value(one.p_adjusted))
    return [experiment, one.metric, signed(welch.difference), p_value(welch.p), *blocked]


def test_the_blocked_table_of_all_four_experiments() -> None:
    with without_mixed_model():
        computed = [
            cells(data.experiment, one)
            for data in published_datasets(june_artifacts())
            for one in analyse(data).comparisons
        ]
    lines = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| exp_")]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == computed
    assert len(computed) == 24


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def probability(p: float | None) -> str:
    return {"<.001": "< .001", "1.000": "1"}.get(p_value(p), p_value(p))


def answer(one: Comparison) -> list[str]:
    """A row of the statistics' table, but for the experiment's name."""
    found = one.primary
    flip, welch = (
        next(each for each in one.secondary if name in each.method) for name in ("sign-flip", "Welch on raw")
    )
    quantities: tuple[Quantity, ...] = (one.hedges_g, one.icc_trial, one.icc_person, one.design_effect)
    rest = [number(each.value) for each in quantities]
    ps = [probability(p) for p in (one.p_adjusted, flip.p, welch.p)]
    return [one.metric, _difference(found, welch), _tested(found), *ps, *rest]


def _difference(found: Estimate, welch: Estimate) -> str:
    if found.interval is None:
        return number(welch.difference)
    return f"{number(found.difference)} [{number(found.interval.low)}, {number(found.interval.high)}]"


def _tested(found: Estimate) -> str:
    return "–" if found.p is None else f"{probability(found.p)} ({whole(found.df)})"


def test_the_answers_in_the_statistics() -> None:
    with without_mixed_model():
        computed = [
            [data.experiment, *answer(one)]
            for data in published_datasets(june_artifacts())
            for one in analyse(data).comparisons
        ]
    lines = [
        line
        for line in (FOLDER / "statistics.md").read_text("utf-8").splitlines()
        if line.startswith("| exp_")
    ]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == computed
    assert len(computed) == 24
