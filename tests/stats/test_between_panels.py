"""Contrasts between panels: Welch on panel means, whatever the sizes, and at its level under no effect."""

from __future__ import annotations

from random import Random
from statistics import fmean

import pytest

from harness.model import Dataset, Observation
from harness.stats import analyse
from harness.stats.between import panel_contrast, panel_means

GROUPS = ("Control", "Treatment")


def dataset(panels: dict[str, list[list[float]]], groups: tuple[str, ...] = GROUPS) -> Dataset:
    """Per group, panels with a score per proposal."""
    observations, number = [], 0
    for group, own in panels.items():
        for scores in own:
            for proposal, score in enumerate(scores):
                observations.append(Observation("m", group, 1, number, proposal, None, score))
            number += 1
    return Dataset("offers", groups, ("m",), tuple(observations), "r1", between=True)


def test_it_is_welch_s_test_on_panel_means() -> None:
    scipy = pytest.importorskip("scipy.stats")
    control, treatment = (
        [[1.0, 2.0], [3.0, 5.0], [2.0, 2.0]],
        [[4.0, 6.0], [7.0, 9.0], [5.0, 5.0], [1.0, 3.0]],
    )
    found = panel_contrast(
        dataset({"Control": control, "Treatment": treatment}), "m", {"Treatment": 1, "Control": -1}
    )
    theirs = scipy.ttest_ind([*map(fmean, treatment)], [*map(fmean, control)], equal_var=False)
    assert found.p == pytest.approx(theirs.pvalue) and found.df == pytest.approx(theirs.df)
    assert found.n == 7 and found.unit == "panels"


def test_more_repetitions_of_a_panel_do_not_make_more_units() -> None:
    few = dataset({"Control": [[1.0], [3.0]], "Treatment": [[4.0], [7.0]]})
    many = dataset({"Control": [[1.0] * 50, [3.0] * 50], "Treatment": [[4.0] * 50, [7.0] * 50]})
    weights = {"Treatment": 1.0, "Control": -1.0}
    assert panel_contrast(few, "m", weights).p == panel_contrast(many, "m", weights).p


def test_every_level_of_a_panel_s_mean_has_equal_weights() -> None:
    rows = [(0, 1, 2.0), (0, 1, 4.0), (0, 2, 9.0), (1, 1, 1.0)]
    some = tuple(Observation("m", "Control", rep, 0, proposal, None, score) for proposal, rep, score in rows)
    found = panel_means(Dataset("offers", GROUPS, ("m",), some, "r1", between=True), "m", "Control")
    assert found == {0: ((3.0 + 9.0) / 2 + 1.0) / 2}


def test_one_panel_in_an_arm_gives_a_difference_and_no_test() -> None:
    found = analyse(dataset({"Control": [[1.0]], "Treatment": [[4.0], [7.0]]})).comparisons[0].primary
    assert found.difference == 4.5 and found.p is None
    assert found.reason == "needs 2 or more panels with scores in each arm; Control has 1"


def test_three_arms_are_corrected_by_holm() -> None:
    groups = (*GROUPS, "Third")
    rng = Random(1)
    panels = {group: [[rng.gauss(0, 1)] for _ in range(4)] for group in groups}
    found = analyse(dataset(panels, groups)).comparisons
    assert {one.adjustment for one in found} == {"Holm over 2 contrasts"}
    assert all(one.secondary[0].method.startswith("Welch") and len(one.secondary) == 1 for one in found)
