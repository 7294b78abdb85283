"""Our t and F against SciPy's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.beta import betainc, betaincinv, f_quantile, t_quantile, two_sided_p
from tests.support.lazy_modules import LazyModule

special = LazyModule("scipy.special")
stats = LazyModule("scipy.stats")

SIZES = st.floats(0.5, 5_000)


@given(SIZES, SIZES, st.floats(0, 1))
def test_the_function(a: float, b: float, x: float) -> None:
    assert betainc(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-9, abs=1e-13)


@given(st.floats(0, 200), st.floats(1, 100_000))
def test_both_tails_of_t(t: float, df: float) -> None:
    assert two_sided_p(t, df) == pytest.approx(2 * stats.t.sf(t, df), rel=1e-9, abs=1e-290)
    assert two_sided_p(-t, df) == two_sided_p(t, df)


@given(st.floats(0.5, 0.9999), st.floats(1, 100_000))
def test_quantiles_of_t(p: float, df: float) -> None:
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-8, abs=1e-8)


@given(st.floats(0.001, 0.999), st.floats(1, 2_000), st.floats(1, 2_000))
def test_quantiles_of_f(p: float, df_one: float, df_other: float) -> None:
    assert f_quantile(p, df_one, df_other) == pytest.approx(stats.f.ppf(p, df_one, df_other), rel=1e-7)


@pytest.mark.parametrize(("t", "df", "p"), [(0.0, 5, 1.0), (12.706204736, 1, 0.05), (2.2009851600, 11, 0.05)])
def test_values_of_the_tables(t: float, df: float, p: float) -> None:
    assert two_sided_p(t, df) == pytest.approx(p, abs=1e-9)
    assert t_quantile(1 - p / 2, df) == pytest.approx(t, abs=1e-8)


@given(SIZES, SIZES, st.floats(0.001, 0.999))
def test_there_and_back(a: float, b: float, p: float) -> None:
    assert betainc(a, b, betaincinv(a, b, p)) == pytest.approx(p, abs=1e-6)


def test_the_ends() -> None:
    assert (betainc(2, 3, 0), betainc(2, 3, 1)) == (0, 1)
    assert two_sided_p(math.inf, 4) == 0 and two_sided_p(1e200, 4) == 0
