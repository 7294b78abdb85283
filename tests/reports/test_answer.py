"""The answer at the end of a session."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from harness.reports.primary_answer import answer_lines
from harness.stats.results import Analysis, Comparison, Estimate, Interval, Quantity

PRIMARY = Estimate(
    "paired t on block differences",
    "these personas and these proposals",
    "blocks (panel × proposal)",
    12,
    difference=-0.4667,
    se=0.1453,
    df=11.0,
    p=0.00828,
    interval=Interval(-0.7865, -0.1469),
)
UNKNOWN = Estimate(
    PRIMARY.method, PRIMARY.estimand, PRIMARY.unit, 1, 0.5, reason="needs 2 or more blocks; there are 1"
)


def lines(
    *pairs: tuple[str, Estimate],
    rehearsal: bool = False,
    adjustments: tuple[str, ...] = ("Holm over 2 metrics",) * 9,
    arms: tuple[str, ...] = ("Treatment",),
) -> list[str]:
    nothing = Quantity(None, reason="-")
    comparisons = tuple(
        Comparison(
            metric, "Control", arm, one, (), UNKNOWN, *[nothing] * 4,
            p_adjusted=None if one.p is None else 0.0414, adjustment=adjustment,
        )
        for arm in arms
        for (metric, one), adjustment in zip(pairs, adjustments, strict=False)
    )  # fmt: skip
    found: dict[str, Any] = asdict(Analysis("exp_3", "r1", "recorded", rehearsal, comparisons))
    return list(answer_lines(found))


def test_one_line_per_metric_with_its_interval_df_and_p() -> None:
    found = lines(("Hard Persona Adherence", PRIMARY), ("Fluency", replace(PRIMARY, p=0.0001)))
    assert found == [
        "Treatment - Control, paired t on block differences; unit: blocks (panel ×",
        "proposal)",
        "metric                     diff.             95 % CI      df         p  adjusted",
        "Hard Persona Adherence     -0.47      -0.79 to -0.15      11      .008      .041",
        "Fluency                    -0.47      -0.79 to -0.15      11     <.001      .041",
        "Adjusted: Holm over 2 metrics. Claimed for these personas and these proposals.",
        "Details: harness analyse.",
    ]
    assert max(map(len, found)) <= 80


def test_arms_that_share_correction_and_claim_have_it_once_below_the_last() -> None:
    found = lines(("Fluency", PRIMARY), arms=("Warm", "Cold"))
    assert [line[:8] for line in found if not line.startswith(("metric", "proposal", "(panel"))] == [
        "Warm - C", "Fluency ", "Cold - C", "Fluency ", "Adjusted", "Details:",
    ]  # fmt: skip


def test_metrics_that_were_corrected_differently_are_named() -> None:
    found = " ".join(
        lines(("ideas", PRIMARY), ("Fluency", PRIMARY), adjustments=("none: planned", "Holm over 1"))
    )
    assert "Adjusted of ideas: none: planned. Adjusted of Fluency: Holm over 1. Claimed for these" in found


def test_a_metric_without_a_test_has_its_reason() -> None:
    found = lines(("Fluency", PRIMARY), ("ideas", UNKNOWN))
    assert "ideas                      +0.50                   –       –         –         –" in found
    assert "  No test of ideas: needs 2 or more blocks; there are 1" in found


def test_where_there_is_no_test_at_all_there_is_no_table() -> None:
    found = lines(("Fluency", UNKNOWN), ("ideas", UNKNOWN))
    assert found[-1] == "  No test: needs 2 or more blocks; there are 1"
    assert not any(line.startswith("metric") for line in found)


def test_a_rehearsal_is_marked() -> None:
    assert "(rehearsal)" in lines(("Fluency", PRIMARY), rehearsal=True)[0]
    assert "rehearsal" not in " ".join(lines(("Fluency", PRIMARY)))


def test_an_analysis_that_failed_says_why() -> None:
    assert list(answer_lines({"problem": "it broke"})) == ["No analysis: it broke"]


def test_nothing_to_compare_is_nothing() -> None:
    assert lines() == []
