"""F40: two shares in one table have different denominators."""

from __future__ import annotations

import numpy as np

from harness.stats.counts import compare_counts
from tests.support.scores import dataset


def test_counts_stand_with_their_denominators_and_a_difference_is_said() -> None:
    arms = {"Control": np.zeros((4, 3, 3)), "Treatment": np.zeros((4, 3, 3))}
    arms["Treatment"][0, 0, 0] = 1
    arms["Control"][0, 0, :2] = np.nan
    found = compare_counts(dataset(arms, persons=False), "score", "Treatment", bool, "happened")
    assert [str(count) for count in found.counts] == ["0 of 34", "1 of 36"]
    assert found.note is not None and "denominators differ: 34 and 36" in found.note


def test_equal_denominators_need_no_note() -> None:
    arms = {"Control": np.zeros((4, 3, 3)), "Treatment": np.ones((4, 3, 3))}
    assert compare_counts(dataset(arms, persons=False), "score", "Treatment", bool, "happened").note is None
