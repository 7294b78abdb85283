"""An analysis in print: every p with its unit, its degrees of freedom and its estimand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.model import Dataset, Observation
from harness.reports.parts import as_markdown, as_text
from harness.reports.tables import analysis_json, analysis_parts
from harness.stats.results import Analysis, Comparison, Estimate, Interval, Quantity

PRIMARY = Estimate(
    "paired t on block differences",
    "these personas and these proposals",
    "blocks",
    12,
    difference=0.4667,
    se=0.1453,
    df=11.0,
    p=0.00828,
    interval=Interval(0.1469, 0.7865),
)
WELCH = Estimate(
    "Welch on raw scores",
    "none of this design",
    "scores",
    240,
    difference=0.4667,
    se=0.1901,
    df=231.3,
    p=0.01484,
    interval=Interval(0.0921, 0.8412),
    note="treats scores as independent",
)
REML = Estimate(
    "REML, trial and persona random", "these personas", "trials", 48, reason="the fit did not converge"
)
FLIP = Estimate(
    "exact sign-flip", "these personas", "blocks", 12, 0.4667, p=0.0088, note="no p below 0.00098"
)
OPEN = Estimate(
    "random slopes", "other personas", "panels", 4, reason="not estimable: 4 panels are too few levels"
)


def comparison(metric: str, **changes: object) -> Comparison:
    whole = Comparison(
        metric=metric,
        control="Control",
        treatment="Treatment",
        primary=PRIMARY,
        secondary=(FLIP, REML, WELCH),
        generalising=OPEN,
        hedges_g=Quantity(0.31, Interval(0.1, 0.52)),
        icc_trial=Quantity(0.081),
        icc_person=Quantity(None, reason="no scores per persona"),
        design_effect=Quantity(1.32),
        p_adjusted=0.0414,
        adjustment="Holm over 5 metrics",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def dataset(*metrics: str, groups: tuple[str, ...] = ("Control", "Treatment")) -> Dataset:
    seen = [
        Observation(metric, group, 1, 0, number, None, 6.0 + place, None)
        for metric in metrics
        for place, group in enumerate(groups)
        for number in range(2)
    ]
    return Dataset("exp_3", groups, metrics, tuple(seen), "run-1")


def analysis(*comparisons: Comparison, **changes: object) -> Analysis:
    whole = Analysis("exp_3", "run-1", "recorded", False, comparisons, ("A note.",))
    return replace(whole, **changes)  # type: ignore[arg-type]


def text(*comparisons: Comparison, **changes: object) -> str:
    metrics = tuple(dict.fromkeys(one.metric for one in comparisons))
    groups = ("Control", *dict.fromkeys(one.treatment for one in comparisons))
    return as_text(analysis_parts(analysis(*comparisons, **changes), dataset(*metrics, groups=groups)))


def squeezed(found: str) -> list[str]:
    """Its lines, each space once."""
    return [" ".join(line.split()) for line in found.splitlines()]


def test_the_primary_table() -> None:
    found = text(comparison("fluency"))
    lines = squeezed(found)
    assert "metric Control Treatment diff. 95 % CI t df p adj." in lines
    assert "fluency 6.00 7.00 +0.47 +0.15 to +0.79 3.21 11 .008 .041" in lines
    assert "adj.: Holm over 5 metrics." in lines
    assert lines.index("- A note.") < lines.index("Treatment − Control: the primary analysis")


def test_every_p_has_its_unit_its_df_and_its_estimand() -> None:
    said = " ".join(text(comparison("fluency")).split())
    assert (
        "paired t on block differences; unit: blocks; claimed for these personas and these proposals." in said
    )
    assert (
        "Welch on raw scores; unit: scores; claimed for none of this design (treats scores as independent)."
        in said
    )
    assert "Welch on raw scores 240 +0.47 +0.09 to +0.84 2.46 231.3 .015" in said
    assert "exact sign-flip; unit: blocks; claimed for these personas." in said
    assert "exact sign-flip, fluency: no p below 0.00098." in said


def test_what_is_undefined_has_its_reason_and_no_number() -> None:
    unknown = replace(
        PRIMARY, difference=None, se=None, df=None, p=None, interval=None, reason="too few blocks", n=1
    )
    found = text(comparison("fluency"), comparison("divergence", primary=unknown, p_adjusted=None))
    said = " ".join(found.split())
    (row,) = (line for line in found.splitlines() if line.startswith("divergence  ") and line.count("–") == 6)
    assert row.split() == ["divergence", "6.00", "7.00", *["–"] * 6]
    assert "Undefined for divergence: paired t on block differences: too few blocks." in said
    assert (
        "Undefined for fluency, divergence: REML, trial and persona random: the fit did not converge." in said
    )
    assert "ICC by person, fluency, divergence: no scores per persona." in said
    assert said.count("For other personas: not estimable: 4 panels are too few levels.") == 1


def test_a_reason_that_a_note_gives_is_not_given_twice() -> None:
    said = text(comparison("fluency"), notes=("So: not estimable: 4 panels are too few levels.",))
    assert " ".join(said.split()).count("too few levels") == 1


def test_a_rehearsal_is_marked() -> None:
    assert "REHEARSAL" in text(comparison("fluency"), rehearsal=True)
    assert "REHEARSAL" not in text(comparison("fluency"))


def test_missing_samples_are_counted() -> None:
    whole = dataset("fluency")
    gap = replace(whole.observations[-1], value=None, reason="lost")
    short = replace(whole, observations=(*whole.observations[:-1], gap))
    said = as_text(analysis_parts(analysis(comparison("fluency")), short))
    assert "- fluency: 1 of 2 samples in Treatment." in said


def test_three_groups_have_a_table_each() -> None:
    said = text(comparison("fluency"), comparison("fluency", treatment="applike"))
    assert "Treatment − Control: the primary analysis" in said
    assert "applike − Control: the primary analysis" in said


@pytest.mark.parametrize("metric", ["fluency", "Hard Persona Adherence", "opinions_qty"])
def test_80_columns(metric: str) -> None:
    wide = replace(PRIMARY, method="least squares, with a method's long name, cluster-robust (CR1)")
    found = text(comparison(metric, secondary=(wide, FLIP)))
    assert max(map(len, found.splitlines())) <= 80
    assert "least squares, with a method's long name, cluster-robust (CR1); unit:" in " ".join(found.split())


def test_one_group_alone_is_no_error() -> None:
    assert text(notes=("exp_3 has one group, so there is nothing to compare.",)).endswith("compare.\n")


def test_markdown_has_the_same_numbers() -> None:
    found = as_markdown(analysis_parts(analysis(comparison("fluency")), dataset("fluency")))
    assert "| fluency |    6.00 |      7.00 | +0.47 | +0.15 to +0.79 | 3.21 |  11 | .008 | .041 |" in found


def test_json_has_everything_and_no_nan() -> None:
    content = analysis_json(analysis(comparison("fluency")), dataset("fluency"))
    assert content["groups"]["Treatment"]["fluency"] == {"n": 2, "mean": 7.0, "std": 0.0, "missing": 0}
    assert content["comparisons"][0]["primary"]["df"] == 11.0
    json.dumps(content, allow_nan=False)
