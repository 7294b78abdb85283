"""What the core computes with the standard library alone, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest

from harness.runner.convergence import trend_p
from harness.stats.counts import Count, stratified
from tests.support.lazy_modules import LazyModule

stats = LazyModule("scipy.stats")


@pytest.mark.parametrize("n", [3, 8, 33, 34, 60])
@pytest.mark.parametrize("values", [4, 10_000_000])
def test_a_trends_p_is_that_of_kendalls_tau(n: int, values: int) -> None:
    costs = np.random.default_rng(n).integers(values, size=n).tolist()
    assert trend_p(costs) == pytest.approx(stats.kendalltau(range(n), costs).pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("one", "other"), [((0, 9), (5, 8)), ((3, 40), (11, 38)), ((6, 6), (0, 7)), ((1, 5), (0, 5))]
)
def test_two_counts_have_fishers_p(one: tuple[int, int], other: tuple[int, int]) -> None:
    table = [[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]]
    found = stratified([(Count(*one), Count(*other))])
    assert found.p == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-9)


@pytest.mark.parametrize(("events", "of"), [(0, 7), (7, 7), (1, 36), (250, 500), (3, 4)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_a_shares_interval_is_clopper_and_pearsons(events: int, of: int, level: float) -> None:
    found = Count(events, of).interval(level)
    expected = stats.binomtest(events, of).proportion_ci(level, method="exact")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-8, abs=1e-10)
