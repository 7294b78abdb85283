"""Counts and their exact tests against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigurationError
from harness.stats.binary_events import BinaryEvent, count_events
from harness.stats.counts import Count, compare_counts, stratified
from tests.support.lazy_modules import LazyModule
from tests.support.scores import dataset, joined

stats = LazyModule("scipy.stats")

SIDE = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda pair: Count(pair[0], sum(pair)))


def test_a_count_stands_with_its_denominator() -> None:
    assert f"{Count(1, 36)}" == "1 of 36"
    assert Count(0, 0).share is None and Count(0, 0).interval() is None
    with pytest.raises(ValueError, match="3 of 2"):
        Count(3, 2)


def test_an_interval_of_all_or_none_has_width() -> None:
    """Clopper & Pearson: 0 of 36 up to 1 − .025^(1/36) = 9.74 %."""
    found = Count(0, 36).interval()
    assert found is not None
    assert (found.low, found.high) == (0, pytest.approx(1 - 0.025 ** (1 / 36)))


@given(SIDE, SIDE)
def test_one_block_is_fishers_exact_test(one: Count, other: Count) -> None:
    found = stratified([(one, other)])
    table = [[one.events, one.of - one.events], [other.events, other.of - other.events]]
    if found.p is None:
        assert not one.of or not other.of or one.events + other.events in (0, one.of + other.of)
    else:
        assert found.p == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-6)


def test_two_blocks_by_enumeration() -> None:
    """Blocks 0/2 v 2/2 and 0/2 v 1/2. Block 1: 2 events of 4, P(0,1,2) = 1/6, 4/6, 1/6; block 2: P(0,1) = 1/2.

    Sums 0..3: 1/12, 5/12, 5/12, 1/12; seen 3, so p = 2/12. Mantel–Haenszel difference (1 + 0.5) / 2.
    """
    found = stratified([(Count(0, 2), Count(2, 2)), (Count(0, 2), Count(1, 2))])
    assert found.p == pytest.approx(2 / 12)
    assert (found.difference, found.n) == (pytest.approx(0.75), 8)


def test_blocks_matter() -> None:
    """Simpson's table: pooled it looks like an effect, in each block there is none."""
    blocks = [(Count(9, 10), Count(36, 40)), (Count(4, 40), Count(1, 10))]
    pooled = stratified([(blocks[0][0] + blocks[1][0], blocks[0][1] + blocks[1][1])])
    within = stratified(blocks)
    assert pooled.p is not None and pooled.p < 0.001
    assert within.p == pytest.approx(1) and within.difference == pytest.approx(0)


def test_scores_of_persons_are_not_counted_as_trials() -> None:
    control, treatment = np.zeros((4, 3, 2, 5)), np.zeros((4, 3, 2, 5))
    treatment[:2] = 1
    found = compare_counts(
        dataset({"Control": control, "Treatment": treatment}), "score", "Treatment", bool, "yes"
    )
    assert [str(count) for count in found.counts] == ["0 of 120", "60 of 120"]
    assert (found.test.method, found.test.unit) == ("exact sign-flip", "blocks (panel × proposal)")
    assert found.test.p == 2 / 2**6


def test_one_value_per_trial_is_tested_within_blocks() -> None:
    arms = {"Control": np.zeros((4, 3, 2)), "Treatment": np.ones((4, 3, 2))}
    found = compare_counts(dataset(arms, persons=False), "score", "Treatment", bool, "yes")
    assert found.test.unit == "trials"
    assert found.test.p == pytest.approx(2 / 6**12)


@pytest.mark.parametrize(
    ("text", "event", "holds", "fails"),
    [
        ("Fluency>=7", BinaryEvent("Fluency", ">=", 7), 7, 6),
        ("Task Completion < 2.5", BinaryEvent("Task Completion", "<", 2.5), 2, 2.5),
        ("yes", BinaryEvent("yes", "=", 1), 1, 0),
        ("yes = 0", BinaryEvent("yes", "=", 0), 0, 1),
        ("shift>-1", BinaryEvent("shift", ">", -1), 0, -1),
    ],
)
def test_an_event_is_read_as_it_is_written(text: str, event: BinaryEvent, holds: float, fails: float) -> None:
    assert BinaryEvent.read(text) == event
    assert event(holds) and not event(fails)
    assert BinaryEvent.read(str(event)) == event


def test_metrics_of_nothing_but_0_and_1_are_counted_unasked() -> None:
    zeros, points = np.zeros((4, 3, 2)), np.full((4, 3, 2), 6.0)
    both = joined(
        dataset({"Control": zeros, "Treatment": zeros + 1}, "yes", persons=False),
        dataset({"Control": points, "Treatment": points + 2}, "points", persons=False),
    )
    assert [one.event for one in count_events(both)] == ["yes = 1"]
    asked = count_events(both, [BinaryEvent("points", ">=", 7), BinaryEvent("yes")])
    assert [(one.event, *map(str, one.counts)) for one in asked] == [
        ("points >= 7", "0 of 24", "24 of 24"),
        ("yes = 1", "0 of 24", "24 of 24"),
    ]
    with pytest.raises(
        ConfigurationError, match="'no = 1' of exp: unknown metric 'no'; expected one of yes, points"
    ):
        count_events(both, [BinaryEvent("no")])
