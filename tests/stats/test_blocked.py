"""The primary analysis and its neighbours, against SciPy, statsmodels and tables worked by hand."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigurationError
from harness.model import Dataset
from harness.stats import analyse
from harness.stats.analysis import secondary
from harness.stats.blocked import blocked, layout
from harness.stats.crossed import generalising
from harness.stats.results import Comparison, Estimate
from harness.stats.within import within_blocks
from tests.support.lazy_modules import LazyModule
from tests.support.scores import EXP_3, dataset, drawn, exp_3, joined, without_mixed_model

stats = LazyModule("scipy.stats")

published = pytest.mark.skipif(
    not EXP_3.is_file(), reason="the published artifacts are not beside the repository"
)
ARMS = ("Control", "Treatment")


def primary(data: Dataset, confidence: float = 0.95) -> Estimate:
    return blocked(layout(data, data.metrics[0], *data.groups[:2]), confidence)


def beside(one: Comparison, method: str) -> Estimate:
    return next(found for found in one.secondary if found.method.startswith(method))


@published
def test_the_worked_example_of_the_published_debate() -> None:
    answer = analyse(dataset(exp_3("Hard Persona Adherence"))).comparisons[0]
    honest = answer.primary
    assert (honest.unit, honest.n, honest.df) == ("blocks (panel × proposal)", 12, 11)
    assert honest.difference == pytest.approx(0.4667, abs=1e-4)
    assert honest.p == pytest.approx(0.0083, abs=5e-5)
    assert beside(answer, "Welch on raw scores").p == pytest.approx(0.015, abs=5e-4)
    assert beside(answer, "Welch on persona means").p == pytest.approx(0.099, abs=5e-4)
    assert beside(answer, "paired t by persona").p == pytest.approx(0.016, abs=5e-4)
    assert beside(answer, "exact sign-flip").p == pytest.approx(36 / 4096)
    mixed = beside(answer, "REML")
    assert mixed.df == 48 - 12 - 1
    assert mixed.p == pytest.approx(0.0087, abs=5e-4)


def test_it_is_scipys_paired_t_on_block_means() -> None:
    arms = drawn()
    means = [arms[arm].mean(axis=(2, 3)).ravel() for arm in ARMS]
    expected = stats.ttest_rel(means[1], means[0])
    found = primary(dataset(arms))
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, sd 1, t = 2 √3 = 3.4641 with 2 degrees of freedom, two-sided p .07418."""
    control = np.zeros((3, 1, 1, 1))
    treatment = np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1)
    found = primary(dataset({"Control": control, "Treatment": treatment}))
    assert (found.difference, found.df) == (2.0, 2.0)
    assert found.p == pytest.approx(0.07418, abs=1e-5)


def test_persons_are_averaged_within_a_trial_first() -> None:
    """A trial with one person left counts as much as a whole one: (0 + 4) / 2, not (0 + 0 + 4) / 3."""
    treatment = np.array([[[0.0, 0.0], [4.0, np.nan]]] * 2).reshape(2, 1, 2, 2)
    found = layout(dataset({"Control": np.zeros((2, 1, 2, 2)), "Treatment": treatment}), "score", *ARMS)
    assert found.differences == [2.0, 2.0]


def test_a_block_without_one_arm_is_left_out_and_said() -> None:
    arms = drawn()
    arms["Treatment"][3, 2] = np.nan
    arms["Control"][0, 0, 1] = np.nan
    found = primary(dataset(arms))
    assert found.n == 11
    assert found.note is not None
    assert "15 of 240 scores are missing (3 of 48 trials whole)" in found.note
    assert "panel 3 × proposal 2" in found.note


def test_values_without_places_are_in_no_block() -> None:
    data = dataset({arm: np.full((4, 3, 2, 5), np.nan) for arm in ARMS})
    found = primary(replace(data, unplaced={("score", "Treatment"): (1.0, 2.0)}))
    assert found.p is None
    assert found.reason is not None and "places of Treatment" in found.reason


def test_other_personas_and_proposals_are_not_estimable() -> None:
    found = generalising(layout(dataset(drawn()), "score", *ARMS))
    assert (found.p, found.difference, found.interval) == (None, None, None)
    assert found.reason is not None
    assert (
        found.reason.startswith("not estimable: 4 panels and 3 proposals") and "repetitions" in found.reason
    )


def test_reps_within_blocks_are_the_anova_with_all_interactions() -> None:
    import statsmodels.api as sm

    arms = drawn()
    trials = [arms[arm].mean(axis=3) for arm in ARMS]
    cells = np.kron(np.eye(12), np.ones((2, 1)))
    contrast = np.hstack([np.vstack([cells, cells]), np.vstack([-cells / 2, cells / 2])])
    fit = sm.OLS(np.concatenate([one.ravel() for one in trials]), contrast).fit()
    test = fit.t_test(np.r_[np.zeros(12), np.full(12, 1 / 12)])
    found = within_blocks(layout(dataset(arms), "score", *ARMS))
    assert (found.n, found.df) == (48, 24)
    assert found.difference == pytest.approx(test.effect[0])
    assert found.p == pytest.approx(float(test.pvalue))


def test_one_rep_leaves_no_spread_within_blocks() -> None:
    found = within_blocks(layout(dataset(drawn(shape=(4, 3, 1, 5))), "score", *ARMS))
    assert found.p is None and found.reason is not None and "2 or more trials" in found.reason


def estimates(data: Dataset) -> list[Estimate]:
    found = layout(data, "score", *data.groups)
    with without_mixed_model():
        beside = secondary(data, "score", data.groups, found, 0.95)
    return [blocked(found), *(one for one in beside if one.method != "REML")]


SEEDS = st.integers(0, 10_000)
SMALL = (3, 2, 2, 3)
few = settings(max_examples=25, deadline=None)


@few
@given(SEEDS, st.floats(-50, 50))
def test_a_shift_of_all_scores_changes_nothing(seed: int, shift: float) -> None:
    arms = drawn(seed, shape=SMALL)
    moved = {arm: array + shift for arm, array in arms.items()}
    for one, other in zip(estimates(dataset(arms)), estimates(dataset(moved)), strict=True):
        assert other.p == pytest.approx(one.p, rel=1e-6, abs=1e-12)
        assert other.difference == pytest.approx(one.difference, abs=1e-9)


@few
@given(SEEDS)
def test_swapped_arms_flip_the_sign_alone(seed: int) -> None:
    arms = drawn(seed, shape=SMALL)
    swapped = {"Treatment": arms["Treatment"], "Control": arms["Control"]}
    for one, other in zip(estimates(dataset(arms)), estimates(dataset(swapped)), strict=True):
        assert other.difference == pytest.approx(-one.difference)
        assert other.p == pytest.approx(one.p)
        if one.interval is not None and other.interval is not None:
            assert other.interval.low == pytest.approx(-one.interval.high)


@few
@given(SEEDS)
def test_the_order_of_observations_does_not_matter(seed: int) -> None:
    arms = drawn(seed, shape=SMALL)
    arms["Control"][0, 0, 0, :3] = np.nan
    data = dataset(arms)
    mixed = list(data.observations)
    random.Random(seed).shuffle(mixed)
    for one, other in zip(estimates(data), estimates(replace(data, observations=tuple(mixed))), strict=True):
        assert other == one


def test_the_primary_metric_is_tested_alone_and_holm_runs_over_the_others() -> None:
    parts = [dataset(drawn(seed, 0.4), f"m{seed}") for seed in range(3)]
    data = joined(*parts)
    alone = {one.metric: one for one in analyse(data, primary_metric="m1", with_secondary=False).comparisons}
    assert alone["m1"].p_adjusted == alone["m1"].primary.p
    assert "named beforehand" in alone["m1"].adjustment
    others = sorted(alone[name].primary.p for name in ("m0", "m2"))
    assert min(alone["m0"].p_adjusted, alone["m2"].p_adjusted) == pytest.approx(min(1, 2 * others[0]))
    assert alone["m0"].adjustment == "Holm over 2 metrics besides the primary one, m1"


def test_what_stands_above_the_tables() -> None:
    data = replace(dataset(drawn(shape=(3, 2, 2, 5))), rehearsal=True, coordinates="reconstructed")
    notes = " ".join(analyse(data, with_secondary=False).notes)
    for part in ("Rehearsal", "reconstructed from the order", "not estimable", "6 blocks: no bootstrap"):
        assert part in notes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"primary_metric": "scroe"}, "Primary metric 'scroe' of exp: unknown; expected one of score."),
        ({"confidence": 95}, "Confidence 95: expected a share between 0 and 1, such as 0.95."),
    ],
)
def test_mistakes(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        analyse(dataset(drawn()), **options)  # type: ignore[arg-type]
    assert str(caught.value) == message
