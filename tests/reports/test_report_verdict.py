"""The verdict in words: what may be claimed, and what may not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model import Check, Level
from harness.records import artifact_name
from harness.reports import RunReport, select
from harness.reports.verdict import ClaimStrength, Direction, statement, verdict
from harness.stats.results import Analysis, Comparison, Estimate, Interval, Quantity
from tests.support.reports import write_run

NOTHING = Quantity(None, reason="not asked")
PASSED = Check("saturation", Level.PASS, "fine")
WARNED = Check("blocks", Level.WARN, "few blocks")
FAILED = Check("leakage", Level.FAIL, "control's prompts have treatment's words")


def estimate(difference: float | None, reason: str | None = None) -> Estimate:
    interval = None if difference is None else Interval(difference - 0.4, difference + 0.4)
    return Estimate(
        "paired t on blocks", "these personas", "block", 12, difference, 0.2, 11, 0.01, interval, reason
    )


def comparison(
    metric: str, difference: float | None, p: float | None, treatment: str = "Treatment", reason: str = ""
) -> Comparison:
    primary = estimate(difference, reason or None)
    return Comparison(metric, "Control", treatment, primary, (), estimate(None, "too few panels"),
                      NOTHING, NOTHING, NOTHING, NOTHING, p, "Holm over 2 metrics")  # fmt: skip


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    """A run of a real model whose instrument passed."""
    (told,) = select(write_run(tmp_path_factory.mktemp("run"))).reports
    return replace(told, checks=(PASSED,), analysis=of(comparison("Fluency", -0.52, 0.012)))


def of(*comparisons: Comparison) -> Analysis:
    return Analysis("exp_3", "r1", "recorded", False, comparisons, ("A note.",))


def test_a_real_run_says_estimate_interval_adjusted_p_and_estimand(real: RunReport) -> None:
    said = verdict(real)
    assert said.standing is ClaimStrength.EVIDENCE
    assert said.headline == "Treatment is lower on Fluency. (An adjusted p below .05 counts as a difference.)"
    (one,) = said.statements
    assert one.text == (
        "Treatment is lower: Treatment − Control = −0.52 (95 % CI −0.92 to −0.12), adjusted p = .012 "
        "(Holm over 2 metrics); paired t on blocks, df 11, n = 12, unit: block."
    )
    assert one.estimand == "these personas"
    assert said.cautions == ("A note.",)


@pytest.mark.parametrize(
    ("difference", "p", "expected"),
    [
        (0.5, 0.049, Direction.HIGHER),
        (-0.5, 0.049, Direction.LOWER),
        (0.5, 0.05, Direction.NOT_SHOWN),
        (0.0, 0.001, Direction.NOT_SHOWN),
        (0.5, None, Direction.UNDEFINED),
        (None, None, Direction.UNDEFINED),
    ],
)
def test_what_a_metric_is_called(difference: float | None, p: float | None, expected: Direction) -> None:
    assert statement(comparison("Fluency", difference, p)).direction is expected


def test_what_is_undefined_says_why() -> None:
    said = statement(comparison("Fluency", None, None, reason="all scores are 9"))
    assert said.text == "Not estimable: all scores are 9."


def test_no_difference_shown_is_not_called_no_difference(real: RunReport) -> None:
    told = replace(real, analysis=of(comparison("Fluency", 0.1, 0.7), comparison("Tact", 0.9, 0.001)))
    headline = verdict(told).headline
    assert headline.startswith(
        "Treatment is higher on Tact. No difference was shown on Fluency, which does not"
    )


def test_several_groups_are_named(real: RunReport) -> None:
    several = of(comparison("Tact", 0.9, 0.001, "A"), comparison("Tact", -0.9, 0.001, "B"))
    assert verdict(replace(real, analysis=several)).headline.startswith("Higher: Tact (A). Lower: Tact (B).")


def test_a_rehearsal_claims_nothing(tmp_path: Path) -> None:
    (told,) = select(write_run(tmp_path, provider="rehearsal")).reports
    said = verdict(replace(told, checks=(FAILED,)))
    assert said.standing is ClaimStrength.REHEARSAL
    assert said.headline.startswith("Not evidence.")
    assert said.statements == ()


def test_a_failed_check_claims_nothing(real: RunReport) -> None:
    said = verdict(replace(real, checks=(PASSED, FAILED)))
    assert said.standing is ClaimStrength.FAULTY
    assert said.headline.startswith("No verdict. 1 validity check failed (leakage)")
    assert said.statements == ()


def test_a_warning_is_said_and_leaves_the_claim(real: RunReport) -> None:
    said = verdict(replace(real, checks=(WARNED,)))
    assert said.statements
    assert said.cautions[0] == "1 validity check warns: blocks."


def test_what_goes_beyond_the_plan_is_exploratory(real: RunReport) -> None:
    beyond = replace(real, dataset=replace(real.dataset, meta={"exploratory": True, "looks": 3}))
    assert verdict(beyond).headline.startswith("Exploratory. Treatment is lower")
    assert beyond.plan() == [
        "EXPLORATORY: beyond or without a locked plan.",
        "Looks at this run's results so far: 3.",
    ]


def test_a_run_stands_beside_its_plan_and_is_tested_by_it(tmp_path: Path) -> None:
    paths = write_run(tmp_path)
    plan = {"sha256": "0" * 64, "locked": "2026-01-01T00:00", "n": {"trials_per_arm": 12}, "looks": 1,
            "primary_metrics": ["Fluency"], "sesoi": 0.5, "deviations": []}  # fmt: skip
    (run,) = (one.run for one in select(paths).reports)
    meta = (run.folder / artifact_name(run.experiment, run.run_id)).with_suffix(".meta.json")
    meta.write_text(json.dumps({"plan": plan, "looks": 1}))
    (told,) = select(paths).reports
    assert "No deviation from the plan." in told.plan()
    said = {one.metric: one.adjustment for one in told.analysis.comparisons}
    assert said["Fluency"] == "none: the primary metric, named beforehand"
    assert all("besides the primary one, Fluency" in text for name, text in said.items() if name != "Fluency")


def test_an_unfinished_run_is_an_interim_look(real: RunReport) -> None:
    said = verdict(replace(real, meta={**real.meta, "partial": True}))
    assert said.standing is ClaimStrength.INTERIM
    assert said.headline.startswith("An interim look. Treatment is lower")
    assert "p-values do not correct for the early look" in said.cautions[0]
