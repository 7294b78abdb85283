"""Declared contrasts: every pair, and weights, against SciPy and statsmodels; and faulty declarations."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.errors import ConfigurationError
from harness.model import Contrast, Dataset, Experiment, Group, Measure, Observation, Play, Script
from harness.model.contrast import Contrasts, contrasts_from_metadata, contrasts_to_metadata
from harness.stats import analyse
from harness.stats.adjustment import planned_adjustment
from tests.support.scores import dataset, joined

ARMS = ("A", "B", "C", "D")


def four(metric: str = "m", seed: int = 1, effect: float = 0.0) -> Dataset:
    rng = np.random.default_rng(seed)
    blocks = rng.normal(0, 2, (10, 1, 1))
    spread = {"A": 1.0, "B": 1.0, "C": 0.5, "D": 2.0}
    arms = {arm: blocks + effect * (arm == "D") + rng.normal(0, spread[arm], (10, 1, 2)) for arm in ARMS}
    return dataset(arms, metric, persons=False)


def means(data: Dataset, arm: str) -> np.ndarray:
    values = [one.value for one in data.of("m", arm)]
    return np.array(values, dtype=float).reshape(10, 2).mean(1)


def test_every_pair_has_its_own_paired_t_and_holm_runs_over_all_of_them() -> None:
    from statsmodels.stats import multitest

    data = replace(four(effect=3), contrasts="pairs")
    found = analyse(data, with_secondary=False).comparisons
    assert [(one.control, one.treatment) for one in found] == list(combinations(ARMS, 2))
    raw = [stats.ttest_rel(means(data, b), means(data, a)).pvalue for a, b in combinations(ARMS, 2)]
    assert [one.primary.p for one in found] == pytest.approx(raw)
    assert [one.p_adjusted for one in found] == pytest.approx(
        list(multitest.multipletests(raw, method="holm")[1])
    )
    assert {one.adjustment for one in found} == {"Holm over 6 pairs of groups"}


def test_each_arm_against_the_first_has_its_own_paired_t_and_holm_runs_over_all_of_them() -> None:
    from statsmodels.stats import multitest

    found = analyse(four(effect=3), with_secondary=False).comparisons
    assert [(one.control, one.treatment) for one in found] == [("A", "B"), ("A", "C"), ("A", "D")]
    data = four(effect=3)
    raw = [stats.ttest_rel(means(data, arm), means(data, "A")).pvalue for arm in ARMS[1:]]
    assert [one.primary.p for one in found] == pytest.approx(raw)
    assert [one.p_adjusted for one in found] == pytest.approx(
        list(multitest.multipletests(raw, method="holm")[1])
    )
    assert {one.adjustment for one in found} == {"Holm over 3 contrasts"}


@pytest.mark.parametrize(
    ("contrasts", "groups", "metrics", "words"),
    [
        ("control", "AB", 1, "none"),
        ("control", "AB", 2, "Holm over the primary metrics"),
        ("control", "ABC", 1, "Holm over the contrasts"),
        ("pairs", "ABC", 2, "Holm over every pair and the primary metrics"),
        ((("B", "A"),), "ABC", 1, "none"),
        ((("B", "A"), Contrast("c", {"A": 1, "C": -1})), "ABC", 1, "Holm over the contrasts"),
    ],
)
def test_a_plan_names_the_adjustment(contrasts: Contrasts, groups: str, metrics: int, words: str) -> None:
    assert planned_adjustment(contrasts, groups, metrics) == words


def test_pairs_of_several_metrics_are_one_family_and_those_of_the_primary_metric_another() -> None:
    data = replace(joined(four("m"), four("n", 2)), contrasts="pairs")
    both = analyse(data, with_secondary=False).comparisons
    assert {one.adjustment for one in both} == {"Holm over 6 pairs of groups × 2 metrics (12 tests)"}
    smallest = min(both, key=lambda one: one.primary.p or 1)
    assert smallest.p_adjusted == pytest.approx(min(1, 12 * (smallest.primary.p or 1)))
    named = {
        one.metric: one.adjustment
        for one in analyse(data, primary_metric="n", with_secondary=False).comparisons
    }
    assert named == {
        "m": "Holm over 6 pairs of groups besides the primary one, n",
        "n": "Holm over 6 pairs of groups on the primary metric, named beforehand",
    }


def test_named_contrasts_and_pairs_share_one_correction_and_nothing_else_is_tested() -> None:
    trend = Contrast("trend", {"A": -1.5, "B": -0.5, "C": 0.5, "D": 1.5})
    data = replace(four(), contrasts=(("D", "B"), trend))
    found = analyse(data, with_secondary=False)
    (pair,), (contrast,) = found.comparisons, found.contrasts
    assert (pair.contrast, contrast.name) == ("D − B", "trend")
    values = sum(weight * means(data, arm) for arm, weight in trend.weights.items())
    assert contrast.estimate.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert contrast.estimate.difference == pytest.approx(values.mean())
    assert pair.adjustment == contrast.adjustment == "Holm over 2 contrasts"
    low, high = sorted([pair.primary.p or 1, contrast.estimate.p or 1])
    assert sorted([pair.p_adjusted or 1, contrast.p_adjusted or 1]) == pytest.approx(
        [min(1, 2 * low), max(min(1, 2 * low), high)]
    )


def test_a_block_without_one_of_the_arms_is_left_out_and_counted() -> None:
    data = replace(four(), contrasts=(Contrast("C against both", {"C": 1, "A": -0.5, "B": -0.5}),))
    gone = [one for one in data.observations if not (one.group == "B" and one.panel == 3)]
    (found,) = analyse(replace(data, observations=tuple(gone)), with_secondary=False).contrasts
    assert found.estimate.n == 9
    assert found.estimate.note == "1 of 10 blocks lack a group of the contrast and are left out"


@pytest.mark.parametrize("contrasts", ["control", "pairs"])
def test_an_arm_that_varies_more_changes_no_other_contrasts_p(contrasts: str) -> None:
    data = replace(four(effect=1.5), contrasts=contrasts)
    louder = replace(
        data, observations=tuple(_twice(one) if one.group == "D" else one for one in data.observations)
    )
    before, after = (analyse(one, with_secondary=False).comparisons for one in (data, louder))
    for one, other in zip(before, after, strict=True):
        assert (one.primary.p == other.primary.p) is ("D" not in (one.control, one.treatment))
        assert (other.p_adjusted or 0) >= (other.primary.p or 1)


def _twice(one: Observation) -> Observation:
    return replace(one, value=2 * (one.value or 0))


@pytest.mark.parametrize(
    "contrasts",
    ["control", "pairs", (("D", "B"), Contrast("trend", {"A": -1, "D": 1, "B": 0}))],
)
def test_records_give_contrasts_back(contrasts: object) -> None:
    assert contrasts_from_metadata(contrasts_to_metadata(contrasts)) == contrasts  # type: ignore[arg-type]


def declared(contrasts: object) -> Experiment:
    async def play(plan: object, client: object) -> None: ...

    return Experiment(
        name="e",
        groups=tuple(map(Group, ("Control", "Warm", "Cold"))),
        script=Script("t"),
        metrics=(Measure("m"),),
        play=Play(play),  # type: ignore[arg-type]
        contrasts=contrasts,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("contrasts", "problem"),
    [
        ("pair", r"contrasts='pair'; expected one of control, pairs. Did you mean 'pairs'\?"),
        ((), r"contrasts=\(\); expected 'control', 'pairs', or a tuple"),
        (None, "contrasts=None; expected 'control', 'pairs', or a tuple"),
        ((("Warm", "Cld"),), r"contrasts\[0\]: unknown group 'Cld'; .*Did you mean 'Cold'\?"),
        ((("Warm", "Warm"),), "'Warm' is compared with itself"),
        (("Warm",), r"contrasts\[0\]='Warm'; expected a pair of groups"),
        ((Contrast("c", {"Wram": 1, "Cold": -1}),), r"contrast 'c': unknown group 'Wram'; .*Did you mean 'Warm'\?"),
        ((Contrast("c", {"Warm": 1, "Cold": -0.5}),), "contrast 'c': its weights sum to 0.5; expected 0"),
        ((Contrast("c", {"Warm": 0, "Cold": 0}),), "contrast 'c': every weight is 0"),
        ((Contrast("c", {}),), "contrast 'c': every weight is 0"),
        ((Contrast("c", {"Warm": "1", "Cold": -1}),), "expected a mapping of groups to finite numbers"),
        ((Contrast("c", {"Warm": float("nan"), "Cold": -1}),), "expected a mapping of groups to finite numbers"),
        ((Contrast("", {"Warm": 1, "Cold": -1}),), "expected a name"),
        (
            (Contrast("c", {"Warm": 1, "Cold": -1}), Contrast("c", {"Warm": 1, "Control": -1})),
            "contrast 'c' is declared 2 times; expected once",
        ),
        ((("Warm", "Cold"), ("Warm", "Cold")), "contrast 'Warm − Cold' is declared 2 times"),
        ((("Warm", "Cold"), ("Cold", "Warm")), "contrasts 'Warm − Cold' and 'Cold − Warm' test the same"),
        (
            (("Warm", "Cold"), Contrast("c", {"Warm": -2, "Cold": 2})),
            "contrasts 'Warm − Cold' and 'c' test the same; expected one of them",
        ),
    ],
)  # fmt: skip
def test_a_bad_contrast_is_one_clear_error(contrasts: object, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        declared(contrasts)
