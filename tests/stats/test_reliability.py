"""Reliability against published figures and hand-computed ones."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.reliability import icc_agreement, icc_consistency, reliability, weighted_kappa

SHROUT_AND_FLEISS = ((9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7))
"""Psychological Bulletin 86 (1979), table 2: six targets, four judges. Intervals as R's psych::ICC prints them."""
scores = st.integers(0, 9)


def test_agreement_as_published() -> None:
    found = icc_agreement(SHROUT_AND_FLEISS)
    assert found.value == pytest.approx(0.29, abs=0.005) and found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((0.019, 0.761), abs=0.0006)


def test_consistency_as_published() -> None:
    found = icc_consistency(SHROUT_AND_FLEISS)
    assert found.value == pytest.approx(0.71, abs=0.006) and found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((0.342, 0.946), abs=0.0006)


def test_a_judge_who_is_always_two_lower_is_consistent_and_does_not_agree() -> None:
    found = reliability([2, 4, 6, 8], [0, 2, 4, 6])
    assert found.consistency.value == 1.0
    # By hand: MS rows 40/3, columns 8, rest 0: (40/3) / (40/3 + 2·8/4) = 10/13.
    assert found.agreement.value == pytest.approx(10 / 13)
    # By hand: 1 − 4 / (5 + 5 + 4).
    assert found.kappa.value == pytest.approx(1 - 4 / 14)
    assert (found.n, found.shift, found.shift_sd, found.exact) == (4, -2.0, 0.0, 0.0)


def test_no_relation_by_hand() -> None:
    found = reliability([1, 1, 3, 3], [1, 3, 1, 3])
    assert found.kappa.value == 0.0
    assert found.consistency.value == 0.0
    assert found.exact == 0.5


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [([], [], "0 items"), ([3], [4], "1 items"), ([5, 5, 5], [5, 5, 5], "do not differ")],
)
def test_undefined_has_its_reason(first: list[int], second: list[int], reason: str) -> None:
    found = reliability(first, second)
    assert found.agreement.value is None and reason in str(found.agreement.reason)
    assert found.consistency.value is None


def test_kappa_without_any_variation_is_undefined() -> None:
    assert weighted_kappa([5, 5], [5, 5]).reason == "both scorings gave one and the same score to all"
    assert weighted_kappa([], []).reason == "nothing was scored twice"
    assert weighted_kappa([5, 5], [6, 6]).value == 0.0


@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=30))
def test_kappa_is_the_ratio_of_weighted_tables(pairs: list[tuple[int, int]]) -> None:
    n = len(pairs)
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    observed = sum((a - b) ** 2 for a, b in pairs) / n
    expected = sum((a - b) ** 2 for a, b in product(first, second)) / n**2
    found = weighted_kappa(first, second).value
    assert found is None if expected == 0 else found == pytest.approx(1 - observed / expected)


@given(st.lists(st.tuples(scores, scores), min_size=2, max_size=30))
def test_an_interval_holds_its_estimate_and_order_does_not_matter(pairs: list[tuple[int, int]]) -> None:
    for statistic in (icc_agreement, icc_consistency):
        found, turned = statistic(pairs), statistic([(b, a) for a, b in reversed(pairs)])
        assert (found.value is None) == (turned.value is None) == (found.reason is not None)
        if found.value is not None:
            assert found.value == pytest.approx(turned.value) and found.value <= 1 + 1e-9
        if found.interval is not None and found.value is not None:
            assert found.interval.low - 1e-9 <= found.value <= found.interval.high + 1e-9
