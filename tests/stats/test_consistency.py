"""Verdicts of consistency: the rules, their adjustment, and what stands beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model import Dataset
from harness.stats import consistency
from harness.stats.blocked import layout
from harness.stats.consistency import shift_of_power
from harness.stats.margin import Known, MarginQuestion, trials_needed
from tests.support.lazy_modules import LazyModule
from tests.support.scores import dataset, joined

stats = LazyModule("scipy.stats")
power = LazyModule("statsmodels.stats.power")


def made(effect: float, spread: float, seed: int = 0, metric: str = "score", blocks: int = 12) -> Dataset:
    """Block differences with exactly this mean and standard deviation; two reps that differ by ``spread``."""
    noise = np.random.default_rng(seed).normal(size=blocks)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    treatment = np.empty((blocks, 1, 2, 1))
    treatment[:, 0, :, 0] = (effect + spread * noise)[:, None] + [-spread / 2, spread / 2]
    return dataset({"Control": np.zeros((blocks, 1, 2, 1)), "Treatment": treatment}, metric)


@pytest.mark.parametrize(
    ("new", "original", "verdict", "why"),
    [
        (1.0, 1.1, "consistent", "and the signs agree"),
        (1.0, 2.5, "inconsistent", "of D lies wholly outside ±0.5"),
        (-1.0, 1.0, "inconsistent", "of D lies wholly outside ±0.5"),
        (1.0, 1.5, "inconclusive", "of D is not inside ±0.5"),
        (0.02, 0.05, "consistent", "of the new effect is inside ±0.5; the original shows no effect"),
        (0.45, 0.05, "inconclusive", "of the new effect is not inside ±0.5"),
    ],
)
def test_the_rules(new: float, original: float, verdict: str, why: str) -> None:
    found = consistency(made(new, 0.3, 1), made(original, 0.3, 2))[0]
    assert (found.verdict, found.unadjusted, found.verdicts) == (verdict, verdict, 1)
    assert why in found.reason


@pytest.mark.parametrize(("effect", "verdict"), [(0.48, "inconclusive"), (0.0, "consistent")])
def test_where_the_original_shows_no_effect_the_new_one_is_weighed_alone(effect: float, verdict: str) -> None:
    """Original 0.33 ± 0.38: D = 0.15 ± 0.32 lies inside ±0.5, D = −0.33 ± 0.32 does not; neither decides."""
    found = consistency(made(effect, 0.1, 1), made(0.33, 0.6, 2))[0]
    assert found.original.p is not None and found.original.p > 0.05
    assert found.verdict == verdict


def test_opposite_signs_within_the_margin_are_not_consistent() -> None:
    found = consistency(made(-0.06, 0.03, 1), made(0.06, 0.03, 2))[0]
    assert found.verdict == "inconclusive" and "signs differ" in found.reason
    assert found.trials_needed.value is None


def test_d_is_welchs_difference_of_two_blocked_effects() -> None:
    """Two independent sets of block differences: SciPy's Welch test gives the interval."""
    new, original = made(1.0, 0.3, 1), made(1.2, 0.5, 2, blocks=8)
    found = consistency(new, original)[0]
    differences = [
        np.array([one.value for one in data.of("score", "Treatment")]).reshape(-1, 2).mean(axis=1)
        for data in (new, original)
    ]
    expected = stats.ttest_ind(*differences, equal_var=False)
    for quantity, level in ((found.difference, 0.90), (found.wide, 0.95)):
        assert quantity.value == pytest.approx(-0.2)
        assert quantity.interval is not None and quantity.interval.level == level
        limits = expected.confidence_interval(level)
        assert (quantity.interval.low, quantity.interval.high) == pytest.approx((limits.low, limits.high))


def test_verdicts_are_adjusted_for_their_number() -> None:
    """Alone consistent; as one of twelve, its interval is the 99.17 % one, and too wide."""
    one, other = made(1.0, 0.5, 1), made(1.1, 0.5, 2)
    alone = consistency(one, other)[0]
    names = [f"m{i}" for i in range(12)]
    many = consistency(
        joined(*(made(1.0, 0.5, 1, name) for name in names)),
        joined(*(made(1.1, 0.5, 2, name) for name in names)),
    )
    assert alone.verdict == "consistent"
    assert {(v.verdict, v.unadjusted, v.verdicts) for v in many} == {("inconclusive", "consistent", 12)}
    assert "99.17 % CI" in many[0].reason


def test_the_same_samples_are_a_computation_and_no_more() -> None:
    data = made(1.0, 0.3)
    found = consistency(data, replace(data, source="again"))[0]
    assert found.verdict == found.unadjusted == "computation reproduced"


def test_the_trials_that_were_said_to_settle_it_do() -> None:
    new, original = Known(0.64, 0.2, 11), Known(1.0, 0.01, 30)
    question = MarginQuestion(new, original, 0.5)
    found = layout(made(0.64, 0.3, 1), "score", "Control", "Treatment")
    needed = trials_needed(question, found)
    assert needed.value is not None and needed.value % 12 == 0 and needed.value > 12
    reps = needed.value / 12
    between = 0.3**2 / 2 / 2  # the treatment's reps differ by the spread, the control's not at all
    fixed = 0.3**2 - between
    for more, settles in ((reps, True), (reps - 1, False)):
        se = np.sqrt((fixed + 2 * between / more) / 12)
        assert (MarginQuestion(replace(new, se=se), original, 0.5).verdict()[0] == "consistent") is settles


def test_no_number_of_reps_mends_an_original_that_knows_little() -> None:
    found = consistency(made(1.0, 0.1, 1), made(1.2, 1.2, 2))[0]
    assert found.verdict == "inconclusive"
    assert found.trials_needed.reason is not None
    assert found.trials_needed.reason.startswith("no number of reps settles it: the original's own error")


def test_small_telescopes() -> None:
    """Simonsohn's d33 for 20 per cell is .5 of two groups; here for 12 pairs, by statsmodels' own search."""
    shift = shift_of_power(1 / 3, 11)
    assert shift / np.sqrt(12) == pytest.approx(
        power.TTestPower().solve_power(nobs=12, alpha=0.05, power=1 / 3), rel=1e-4
    )
    found = consistency(made(0.01, 0.1, 1), made(1.0, 1.0, 2))[0]
    assert found.d33.value == pytest.approx(shift / np.sqrt(12))
    assert found.too_small is True
    mirrored = consistency(made(-0.01, 0.1, 1), made(-1.0, 1.0, 2))[0]
    assert mirrored.d33.value == pytest.approx(-shift / np.sqrt(12)) and mirrored.too_small is True
    assert consistency(made(0.9, 0.1, 1), made(1.0, 1.0, 2))[0].too_small is False


def test_the_prediction_interval_is_around_the_original() -> None:
    found = consistency(made(1.0, 0.3, 1), made(1.2, 0.3, 2))[0]
    limits = found.prediction.interval
    assert found.prediction.value == pytest.approx(1.0) and limits is not None
    assert (limits.low + limits.high) / 2 == pytest.approx(1.2)
    assert found.wide.interval is not None
    assert limits.high - limits.low == pytest.approx(found.wide.interval.high - found.wide.interval.low)


def test_names_pair_plainly_or_as_told() -> None:
    new, original = made(1.0, 0.3, 1, "self_consistency"), made(1.1, 0.3, 2, "Self-consistency")
    assert [(v.metric, v.original_metric) for v in consistency(new, original)] == [
        ("self_consistency", "Self-consistency")
    ]
    other = made(1.1, 0.3, 2, "elsewhere")
    assert consistency(new, other) == []
    assert consistency(new, other, metrics={"self_consistency": "elsewhere"})[0].verdict == "consistent"


def test_no_verdict_without_an_effect() -> None:
    flat = dataset({"Control": np.zeros((12, 1, 2, 1)), "Treatment": np.ones((12, 1, 2, 1))})
    found = consistency(made(1.0, 0.3), flat)[0]
    assert found.verdict is None and found.difference.value is None
    assert found.reason.startswith("original: the difference is 1 in each of 12 blocks")


def test_trials_without_places_are_compared_singly_and_said() -> None:
    values = tuple(np.random.default_rng(0).normal(6, 1, 39))
    empty = dataset(
        {
            "Control": np.full((4, 5, 2), 5.0) + np.eye(4, 5)[..., None],
            "Treatment": np.full((4, 5, 2), np.nan),
        },
        persons=False,
    )
    original = replace(empty, unplaced={("score", "Treatment"): values})
    found = consistency(made(1.0, 0.3), original)[0]
    assert found.original.method == "Welch on raw scores"
    assert found.verdict is not None
    assert any("because their places are unknown" in note for note in found.notes)


def test_a_margin_is_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        consistency(made(1, 1), made(1, 1), delta=0)


@settings(max_examples=30, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.05, 1.5))
def test_verdicts_do_not_depend_on_which_arm_is_called_treatment(
    new: float, original: float, spread: float
) -> None:
    one = MarginQuestion(Known(new, spread, 11), Known(original, 0.2, 11), 0.5)
    mirrored = MarginQuestion(Known(-new, spread, 11), Known(-original, 0.2, 11), 0.5)
    assert one.verdict()[0] == mirrored.verdict()[0]
