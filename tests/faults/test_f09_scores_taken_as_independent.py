"""F09: scores of one session and one persona are treated as independent."""

from __future__ import annotations

import numpy as np

from harness.stats import analyse
from harness.stats.components import Components, Sizes
from harness.stats.simulation import blocked_many, simulate
from tests.support.scores import dataset, drawn, welch_many, without_mixed_model

ALIKE = Components(trial=1.0, person=0.5, block_arm=0.0, residual=1.0)
DESIGN = Sizes(reps=2, panels=4, proposals=3, people=5)


def test_where_trials_share_their_luck_raw_scores_find_effects_that_are_not_there() -> None:
    """Control against Control, trial SD 1: raw Welch rejects far above .05, the primary analysis does not."""
    arms = simulate(ALIKE, 0.0, DESIGN, 2000, np.random.default_rng(9))
    assert np.mean(welch_many(*arms).p <= 0.05) > 0.15
    assert np.mean(blocked_many(*arms).p <= 0.05) < 0.065


def test_scores_copied_within_a_trial_do_not_make_the_answer_surer() -> None:
    arms = drawn(1)
    means = {arm: array.mean(axis=3, keepdims=True) for arm, array in arms.items()}
    copied = {arm: np.repeat(array, 25, axis=3) for arm, array in means.items()}
    with without_mixed_model():
        one, many = (analyse(dataset(each)).comparisons[0] for each in (means, copied))
    assert many.primary.p is not None and one.primary.p is not None
    assert abs(many.primary.p - one.primary.p) < 1e-9
    assert (many.primary.n, many.primary.df) == (12, 11)
    raw = {found.method: found for found in many.secondary}["Welch on raw scores"]
    assert raw.p is not None and raw.p < one.primary.p / 10


def test_every_number_names_its_unit_and_the_naive_one_says_what_it_ignores() -> None:
    one = analyse(dataset(drawn())).comparisons[0]
    assert one.primary.unit == "blocks (panel × proposal)" and "these personas" in one.primary.estimand
    assert all(found.unit and found.estimand for found in one.secondary)
    raw = {found.method: found for found in one.secondary}["Welch on raw scores"]
    assert raw.note == "treats scores as independent; scores of one trial and of one persona are not"
    assert raw.estimand.startswith("a hypothetical design")
    assert one.generalising.p is None
