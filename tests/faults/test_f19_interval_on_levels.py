"""F19: an interval is taken on levels where the decision is about differences. Here it is of the paired differences."""

from __future__ import annotations

import pytest

from harness.experiments.payments.acceptance import judge
from harness.stats.results import Estimate
from harness.stats.student import one_sample

SPREAD = (10_000, 90_000, 40_000, 160_000, 70_000)
"""Days differ far more than policies do."""
SAVED = (90, 110, 100, 95, 105)
BETTER = tuple(day - saved for day, saved in zip(SPREAD, SAVED, strict=True))


def test_a_small_saving_on_every_day_is_seen_though_the_days_differ() -> None:
    verdict = judge(SPREAD, BETTER, confidence=0.95)
    assert verdict.accepted and verdict.delta == sum(SAVED) and verdict.deltas == SAVED
    assert verdict.interval is not None and 85 < verdict.interval.low < 100 < verdict.interval.high < 115
    levels = [one_sample(Estimate("t", "level", "days", 5), each, 0.95).interval for each in (SPREAD, BETTER)]
    old, new = levels
    assert old is not None and new is not None
    assert new.low < old.low < new.high < old.high, "on levels the two could not be told apart"


def test_a_saving_that_chance_may_give_is_not_accepted() -> None:
    new = (10_500, 89_000, 40_300, 159_500, 70_100)
    assert judge(SPREAD, new).accepted and judge(SPREAD, new).delta == 600
    verdict = judge(SPREAD, new, confidence=0.95)
    assert not verdict.accepted and verdict.interval is not None and verdict.interval.low < 0
    assert verdict.why == "the interval of the differences includes 0"


def test_the_order_of_days_is_what_pairs_them() -> None:
    assert not judge(SPREAD, (BETTER[1], BETTER[0], *BETTER[2:]), confidence=0.95).accepted
    with pytest.raises(ValueError, match="shorter"):
        judge(SPREAD, BETTER[:-1])


def test_differences_that_do_not_vary_have_no_interval_and_prove_nothing() -> None:
    verdict = judge((5, 6, 7), (4, 5, 6), confidence=0.95)
    assert (
        not verdict.accepted and verdict.interval is None and "no interval of the differences" in verdict.why
    )
    assert judge((5, 6, 7), (4, 5, 6)).accepted
