"""The sign-flip test against SciPy's permutation test and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.sign_flip import floor_p, sign_flip
from tests.support.lazy_modules import LazyModule

stats = LazyModule("scipy.stats")


def test_by_hand() -> None:
    """1, 2, 3: of eight signs, two give |sum| = 6: p = 2 / 8, which is the floor too."""
    found = sign_flip([1, 2, 3])
    assert (found.p, found.n, found.difference) == (0.25, 3, 2.0)
    assert found.note == "3 differences other than 0 cannot give a p below 0.25"
    assert sign_flip([1, 2, -3]).p == 1.0


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8).filter(any))
def test_sums_that_are_equal_but_for_rounding_tie(whole: list[int]) -> None:
    assert sign_flip([one / 10 for one in whole]).p == sign_flip(whole).p


@pytest.mark.parametrize("seed", range(3))
def test_it_is_scipys_exact_permutation_test(seed: int) -> None:
    data = np.random.default_rng(seed).normal(0.3, 1, 9)
    expected = stats.permutation_test(
        (data,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert sign_flip(list(data)).p == pytest.approx(expected.pvalue)


def test_many_differences_are_drawn_with_a_stated_number() -> None:
    data = list(np.random.default_rng(0).normal(0.2, 1, 12))
    exact = sign_flip(data)
    drawn = sign_flip(data, n_exact=5, draws=20_000, rng=np.random.default_rng(1))
    assert drawn.method == "sign-flip, 20,000 random draws"
    assert drawn.p == pytest.approx(exact.p, abs=0.01)
    assert drawn.p == sign_flip(data, n_exact=5, draws=20_000, rng=np.random.default_rng(1)).p
    assert sign_flip([1.0] * 40).p == pytest.approx(1 / 100_001)


def test_no_sign_matters_where_all_is_zero() -> None:
    found = sign_flip([0.0] * 12)
    assert found.p is None and found.reason == "every difference is 0, so no sign matters"
    assert sign_flip([]).p is None


def test_zeros_raise_the_floor() -> None:
    assert sign_flip([0.0, 0.0, 1.0, 1.0]).p == floor_p(2) == 0.5


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8).filter(any))
def test_order_and_a_change_of_all_signs_do_not_matter(data: list[int]) -> None:
    p = sign_flip(data).p
    assert p == sign_flip(data[::-1]).p == sign_flip([-one for one in data]).p
    assert p is not None and floor_p(len(data)) <= p <= 1
