"""Components, simulated power and what a design needs; the simulation's own analysis against `analyse`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.stats import analyse
from harness.stats.components import Components, Sizes, observed, sizes
from harness.stats.power import exact_power, needed, power
from harness.stats.simulation import blocked_many, simulate
from tests.support.scores import dataset, drawn, welch_many, without_mixed_model

DEBATE = Sizes(reps=2, panels=4, proposals=3, people=5)
PLAIN = Components(trial=0.2, person=0.5, block_arm=0.0, residual=1.5)
UNEVEN = Components(trial=0.2, person=0.5, block_arm=0.6, residual=1.5)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("scale", [None, (0.0, 9.0)])
def test_many_at_once_give_what_analyse_gives_one_by_one(
    missing: float, scale: tuple[float, float] | None
) -> None:
    arms = simulate(UNEVEN, 0.4, DEBATE, 6, rng(), mean=7.5, missing=missing, scale=scale)
    primary, raw = blocked_many(*arms), welch_many(*arms)
    for run in range(6):
        data = dataset({"Control": arms[0][run], "Treatment": arms[1][run]})
        with without_mixed_model():
            one = analyse(data).comparisons[0]
        for found, many in ((one.primary, primary), (one.secondary[-1], raw)):
            assert found.interval is not None
            expected = (found.difference, found.se, found.p, found.interval.low, found.interval.high)
            assert tuple(float(column[run]) for column in many) == pytest.approx(expected)


def test_constant_scores_are_undefined_there_too() -> None:
    arms = simulate(Components(0, 0, 0, 0.01), 0, DEBATE, 3, rng(), mean=9.9, scale=(0, 9))
    assert np.isnan(blocked_many(*arms).p).all() and np.isnan(welch_many(*arms).p).all()


def test_the_components_are_found_again() -> None:
    """The mean over 150 experiments of the estimates that are not cut at 0."""
    design = Sizes(reps=3, panels=4, proposals=4, people=6)
    true = Components(trial=2.0, person=1.5, block_arm=4.0, residual=3.0)
    arms = simulate(true, 1.0, design, 150, rng(3))
    found = [
        observed(dataset({"Control": a, "Treatment": b}), "score", "Treatment")
        for a, b in zip(*arms, strict=True)
    ]
    for name in ("trial", "person", "block_arm", "residual"):
        estimates = [getattr(one, name) for one in found]
        assert np.mean(estimates) == pytest.approx(getattr(true, name), rel=0.1), name


def test_the_residual_is_that_of_trials_by_persons() -> None:
    """Without missing scores: the mean square of the two-way layout without interaction, panel by panel."""
    arms = drawn(2)
    stacked = np.concatenate([arms["Control"], arms["Treatment"]], axis=1).reshape(4, 12, 5)
    centred = stacked - stacked.mean(axis=1, keepdims=True) - stacked.mean(axis=2, keepdims=True)
    centred += stacked.mean(axis=(1, 2), keepdims=True)
    found = observed(dataset(arms), "score", "Treatment")
    assert found.residual == pytest.approx((centred**2).sum() / (4 * 11 * 4))
    persons = stacked.mean(axis=1).var(axis=1, ddof=1).mean() - found.residual / 12
    assert found.person == pytest.approx(persons)


def test_what_was_estimated_below_zero_is_said() -> None:
    arms = drawn(2)
    for array in arms.values():
        array -= array.mean(axis=(2, 3), keepdims=True)  # blocks answer exactly alike
    found = observed(dataset(arms), "score", "Treatment")
    assert found.block_arm == 0 and any(note.startswith("block × arm variance") for note in found.notes)


def test_one_rep_cannot_tell_the_variances_apart() -> None:
    with pytest.raises(HarnessError, match="expected two blocks and two reps or more"):
        observed(dataset(drawn(shape=(4, 3, 1, 5))), "score", "Treatment")


def test_sizes_are_those_expected_of_the_design() -> None:
    arms = drawn()
    arms["Treatment"][:, :, 1] = np.nan
    assert sizes(dataset(arms), "score") == DEBATE
    assert (
        sizes(dataset({"a": np.zeros((2, 3, 4)), "b": np.zeros((2, 3, 4))}, persons=False), "score").people
        == 0
    )


@pytest.mark.parametrize(("components", "effect"), [(PLAIN, 0.5), (UNEVEN, 0.7), (PLAIN, 0.0)])
def test_simulated_power_is_that_of_the_noncentral_t(components: Components, effect: float) -> None:
    found = power(components, effect, DEBATE, 4000, rng(1))
    assert found.interval.low <= exact_power(components, effect, DEBATE) <= found.interval.high
    assert found.power == power(components, effect, DEBATE, 4000, rng(1)).power


def test_exact_power_against_statsmodels() -> None:
    from statsmodels.stats.power import TTestPower

    d = 0.5 / math.sqrt(PLAIN.of_difference(2, 5))
    assert exact_power(PLAIN, 0.5, DEBATE) == pytest.approx(TTestPower().power(d, 12, 0.05), abs=1e-6)


def test_more_reps_help_as_far_as_the_blocks_agree() -> None:
    reps, people, proposals = needed(UNEVEN, 0.5, DEBATE, runs=500)
    assert reps.needed is None and reps.reason is not None and "power tends to 0.5" in reps.reason
    assert people.needed is None
    assert proposals.needed is not None and proposals.power is not None
    assert exact_power(UNEVEN, 0.5, DEBATE._replace(proposals=proposals.needed)) >= 0.8
    assert exact_power(UNEVEN, 0.5, DEBATE._replace(proposals=proposals.needed - 1)) < 0.8


def test_without_block_by_arm_variance_reps_are_enough() -> None:
    reps = needed(PLAIN, 0.5, DEBATE, runs=500)[0]
    assert reps.needed is not None and reps.limit == 1.0
    assert exact_power(PLAIN, 0.5, DEBATE._replace(reps=reps.needed)) >= 0.8
    assert exact_power(PLAIN, 0.5, DEBATE._replace(reps=reps.needed - 1)) < 0.8


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="two blocks or more"):
        power(PLAIN, 0.5, Sizes(2, 1, 1, 5))
