"""Attributes of the personas: subgroups, and whether the difference depends on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.model import Dataset, Respondents
from harness.stats import analyse
from harness.stats.moderation import levels_of
from harness.stats.results import Moderation
from tests.support.answers import N, answers, drawn
from tests.support.lazy_modules import LazyModule

stats = LazyModule("scipy.stats")
REGIONS = [("north", "south", "east")[number % 3] for number in range(N)]


def with_attributes(data: Dataset, **values: Any) -> Dataset:
    attributes = {name: {f"P{n}": value for n, value in enumerate(found)} for name, found in values.items()}
    return replace(data, respondents=Respondents(attributes))


def moderated(data: Dataset) -> tuple[Moderation, ...]:
    return analyse(data).moderation


def test_subgroups_are_the_paired_analysis_of_their_personas() -> None:
    arms = drawn()
    (found,) = moderated(with_attributes(answers(arms), region=REGIONS))
    d = (arms["hopeful"] - arms["plain"])[:, 0]
    assert [one.level for one in found.subgroups] == ["east", "north", "south"]
    for one in found.subgroups:
        mine = np.array([region == one.level for region in REGIONS])
        assert (one.n, one.estimate.difference) == (20, pytest.approx(d[mine].mean()))
        assert one.control == pytest.approx(arms["plain"][mine, 0].mean())
        assert one.estimate.p == pytest.approx(float(stats.ttest_1samp(d[mine], 0).pvalue))


def test_the_test_of_moderation_is_welchs_analysis_of_variance() -> None:
    from statsmodels.stats.oneway import anova_oneway

    arms = drawn()
    arms["hopeful"][::3] += np.array([[1.0], [2.0]] * 10)
    (found,) = moderated(with_attributes(answers(arms), region=REGIONS))
    d = (arms["hopeful"] - arms["plain"])[:, 0]
    groups = [d[[region == one for region in REGIONS]] for one in ("east", "north", "south")]
    expected = anova_oneway(groups, use_var="unequal", welch_correction=True)
    assert (found.f, found.p) == pytest.approx((float(expected.statistic), float(expected.pvalue)))
    assert (found.df, found.df_error) == pytest.approx(expected.df)


def test_between_personas_a_level_compares_its_own_arms() -> None:
    arms = drawn()
    data = with_attributes(answers(arms, between=True), region=REGIONS + REGIONS)
    (found,) = moderated(data)
    mine = np.array([region == "north" for region in REGIONS])
    expected = stats.ttest_ind(arms["hopeful"][mine, 0], arms["plain"][mine, 0], equal_var=False)
    north = next(one for one in found.subgroups if one.level == "north")
    assert (north.n, north.estimate.p) == (40, pytest.approx(float(expected.pvalue)))
    assert found.p is not None


def test_every_attribute_costs_a_correction() -> None:
    rng = np.random.default_rng(0)
    many = {f"a{n}": rng.choice(["x", "y"], N).tolist() for n in range(8)}
    found = moderated(with_attributes(answers(drawn()), **many))
    smallest = min(found, key=lambda one: one.p or 1.0)
    assert len(found) == 8 and smallest.p is not None
    assert smallest.p_adjusted == pytest.approx(min(1.0, 8 * smallest.p))
    assert smallest.adjustment == "Holm over 8 tests of treatment × attribute"


def test_numbers_with_many_values_become_groups_of_about_equal_size() -> None:
    data = with_attributes(answers(drawn()), age=[18 + number for number in range(N)])
    found = levels_of(data, "age")
    assert found is not None and found.order == ("18 to 32", "33 to 47", "48 to 62", "63 to 77")


def test_equal_numbers_stay_in_one_group() -> None:
    ages = [20] * 40 + [20 + number for number in range(N - 40)]
    found = levels_of(with_attributes(answers(drawn()), age=ages), "age")
    assert found is not None and len({found.of[panel] for panel in range(41)}) == 1


@pytest.mark.parametrize("values", [["same"] * N, [f"name {n}" for n in range(N)], [None] * N])
def test_attributes_that_make_no_groups_are_left_out_and_named(values: list[Any]) -> None:
    analysis = analyse(with_attributes(answers(drawn()), note=values))
    assert analysis.moderation == ()
    assert "Attributes without groups to compare are left out: note." in analysis.notes


def test_levels_of_few_personas_are_shown_without_a_test() -> None:
    regions = ["rare"] * 3 + ["north"] * 30 + ["south"] * (N - 33)
    (found,) = moderated(with_attributes(answers(drawn()), region=regions))
    rare = next(one for one in found.subgroups if one.level == "rare")
    assert rare.n == 3 and rare.estimate.difference is not None and rare.estimate.interval is None
    assert (found.df, found.reason) == (1, "without rare: too few personas, or no spread")


def test_a_mixed_run_claims_nothing_about_attributes() -> None:
    data = replace(with_attributes(answers(drawn()), region=REGIONS), mixed=("the model changed",))
    (found,) = moderated(data)
    assert (found.p, found.p_adjusted, found.reason) == (None, None, "mixed run: the model changed")
    assert analyse(data).shares[0].ranks.p is None
