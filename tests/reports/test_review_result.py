"""What a review comes to: nothing before it is whole, then scenario by scenario."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.reports.parts import as_text
from harness.reports.review import DIMENSIONS, review_of
from harness.reports.review.rendering import review_json, review_parts
from tests.support.reviews import Scorer, reviewed, run_for_review

ALL = tuple(range(20))
GOOD = dict.fromkeys(DIMENSIONS, 3)


def failing_where(holds: object) -> Scorer:
    """A 1 in naturalness where ``holds(trial)``."""

    def scorer(trial: str) -> Mapping[str, int]:
        assert callable(holds)
        return {**GOOD, "naturalness": 1 if holds(trial) else 2}

    return scorer


def test_nothing_is_told_of_the_arms_before_the_review_is_whole(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results")
    nobody = review_of(run)
    assert not nobody.complete and "None of 12 transcripts has been scored yet" in as_text(
        review_parts(nobody)
    )
    reviewed(run, tmp_path, "Ada", keep=11)
    reviewed(run, tmp_path, "Ben")
    part = review_of(run)
    text = " ".join(as_text(review_parts(part)).split())
    assert not part.complete and part.arms == () and part.differences == ()
    assert "Ada: 11 of 12 transcripts scored, 1 missing." in text
    assert "Ben: 12 of 12 transcripts scored, 0 missing." in text
    assert "baseline" not in text and " of 6" not in text
    assert review_json(part)["complete"] is False
    assert review_of(run, ["Ben"]).complete
    assert review_of(run, ["Cyd"]).missing == {"Cyd": 12}


def test_a_1_in_any_dimension_fails_the_transcript(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results")
    reviewed(run, tmp_path, "Ada", failing_where(lambda trial: "applike/rep1" in trial))
    first, later = review_of(run).arms
    assert (first.passed, first.reviewed, later.passed, later.reviewed) == (6, 6, 3, 6)
    assert later.scores["naturalness"] == {1: 3, 2: 3} and later.scores["tool_selection"] == {3: 6}


def test_differences_are_of_scenarios_with_repetitions_averaged_first(tmp_path: Path) -> None:
    """Ten scenarios in which two of three repetitions of the later variant fail: the exact p is 2 ÷ 2¹⁰."""
    run = run_for_review(tmp_path / "results", only=ALL, reps=3)

    def fails(trial: str) -> bool:
        return "applike" in trial and "rep3" not in trial and int(trial.rpartition("proposal")[2]) < 10

    reviewed(run, tmp_path, "Ada", failing_where(fails))
    (one,) = review_of(run).differences
    assert one.passing.n == 20
    assert one.passing.difference == pytest.approx(-(10 * 2 / 3) / 20)
    assert one.passing.p == pytest.approx(2 / 2**10)
    assert one.p_adjusted == one.passing.p
    assert one.dimensions["naturalness"] == pytest.approx(-(10 * 2 / 3) / 20)
    assert one.dimensions["tool_selection"] == 0
    assert len(one.scenarios) == 20 and one.left_out == 0


def test_no_difference_has_no_p(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results")
    reviewed(run, tmp_path, "Ada")
    (one,) = review_of(run).differences
    assert (one.passing.difference, one.passing.p) == (0.0, None)
    text = " ".join(as_text(review_parts(review_of(run))).split())
    assert (
        "Every difference is 0" in text and "The other 3 of 3 scenarios pass equally often in both." in text
    )


def test_of_several_reviewers_one_can_fail_a_transcript_and_their_agreement_is_told(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results", only=ALL)
    reviewed(run, tmp_path, "Ada", failing_where(lambda trial: "proposal1" in trial))
    reviewed(run, tmp_path, "Ben", failing_where(lambda trial: trial.endswith("proposal1")))
    outcome = review_of(run)
    assert [arm.passed for arm in outcome.arms] == [18, 18]
    (one,) = outcome.agreements
    assert one.same_verdict == pytest.approx((80 - 40) / 80)
    assert one.dimensions["naturalness"].exact == pytest.approx(0.5)
    assert one.dimensions["naturalness"].kappa.value is not None
    assert one.dimensions["tool_selection"].kappa.reason
    text = as_text(review_parts(outcome))
    assert "Ada and Ben" in text and "18 of 40" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_trials_without_a_transcript_are_counted_and_their_scenarios_left_out(tmp_path: Path) -> None:
    run = run_for_review(
        tmp_path / "results", failing=lambda variant, scenario, rep: variant == "applike" and scenario == 3
    )
    reviewed(run, tmp_path, "Ada")
    outcome = review_of(run)
    assert [(arm.reviewed, arm.without) for arm in outcome.arms] == [(6, 0), (4, 2)]
    (one,) = outcome.differences
    assert (one.passing.n, one.left_out) == (2, 1)


def test_a_rehearsal_is_said_to_be_one_and_all_is_json(tmp_path: Path) -> None:
    run = run_for_review(tmp_path / "results", provider="rehearsal")
    reviewed(run, tmp_path, "Ada")
    outcome = review_of(run)
    assert "REHEARSAL" in as_text(review_parts(outcome))
    assert json.loads(json.dumps(review_json(outcome), allow_nan=False))["rehearsal"] is True
