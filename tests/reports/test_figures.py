"""Bins of a histogram: every value falls into exactly one, whatever the values are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reports.figures import _place, bins_of

ORDINARY = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.lists(ORDINARY, min_size=1, max_size=30))
def test_every_value_is_in_one_bin_and_the_mean_has_a_place(values: list[float]) -> None:
    bins, labels = bins_of(values)
    assert len(bins) == len(labels) > 0
    assert all(sum(low <= value < high for low, high in bins) == 1 for value in values)
    assert -1 <= _place(sum(values) / len(values), bins) <= len(bins)


@pytest.mark.parametrize("values", [[0.685], [0.3, 0.3, 0.3], [0.1 + 0.2, 0.3]])
def test_values_that_are_all_the_same_have_one_bin(values: list[float]) -> None:
    assert len(bins_of(values)[0]) == 1
