"""Holm against statsmodels."""

from __future__ import annotations

import pytest

from harness.stats.multiplicity import holm
from tests.support.lazy_modules import LazyModule

multitest = LazyModule("statsmodels.stats.multitest")


@pytest.mark.parametrize(
    "p_values", [[0.3], [0.04, 0.01, 0.03, 0.9], [0.2, 0.2, 0.001], [0.0, 1.0, 0.02, 0.02]]
)
def test_holm_is_statsmodels_own(p_values: list[float]) -> None:
    found = holm({str(i): p for i, p in enumerate(p_values)})
    expected = multitest.multipletests(p_values, method="holm")[1]
    assert [found[str(i)] for i in range(len(p_values))] == pytest.approx(list(expected))


def test_what_is_not_defined_stays_so_and_counts_in_the_family() -> None:
    assert holm({"a": 0.01, "b": None, "c": 0.2}) == {
        "a": pytest.approx(0.03),
        "b": None,
        "c": pytest.approx(0.4),
    }
