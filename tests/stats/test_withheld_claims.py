"""Differences without a test: a run whose settings changed on the way, and a treatment that reached no request."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.stats import analyse, consistency
from harness.stats.binary_events import BinaryEvent, count_events
from tests.support.scores import dataset

SCORES = np.random.default_rng(7).normal(5, 1, size=(2, 4, 3, 2, 2))
CLEAN = dataset({"Control": SCORES[0], "Treatment": SCORES[1] + 1})
MIXED = replace(CLEAN, mixed=("code.play changed from exp/Treatment/rep1/panel0/proposal1 on",))


def test_no_estimate_of_a_mixed_run_has_a_p_or_an_interval() -> None:
    (clean,), (mixed,) = analyse(CLEAN).comparisons, analyse(MIXED).comparisons
    assert clean.primary.p is not None and clean.primary.interval is not None
    for one in (mixed.primary, *mixed.secondary, mixed.generalising):
        assert one.p is one.interval is one.se is one.df is None
    assert mixed.primary.difference == clean.primary.difference
    assert mixed.primary.reason == f"mixed run: {MIXED.mixed[0]}"
    assert mixed.p_adjusted is None
    assert analyse(MIXED).notes[0].startswith("Nothing can be claimed. Mixed run: code.play changed")


def test_counts_and_comparisons_with_another_result_claim_nothing_either() -> None:
    event = BinaryEvent(CLEAN.metrics[0], ">", 5)
    assert [one.test.p is None for one in count_events(MIXED, [event])] == [True]
    assert [one.test.p is None for one in count_events(CLEAN, [event])] == [False]
    other = replace(
        CLEAN, observations=tuple(replace(one, value=(one.value or 0) + 0.1) for one in CLEAN.observations)
    )
    assert [one.verdict for one in consistency(MIXED, other)] == [None]
    assert [one.verdict is None for one in consistency(CLEAN, other)] == [False]


def test_only_arms_whose_treatment_was_sent_are_tested() -> None:
    scores = {"Control": SCORES[0], "Treatment": SCORES[1] + 1, "Lost": SCORES[1] + 2}
    three = replace(dataset(scores), undelivered={"Lost": "instructions: in no request"})
    found = analyse(three)
    kept, lost = found.comparisons
    assert kept.treatment == "Treatment" and kept.primary.p is not None and kept.p_adjusted is not None
    assert lost.primary.p is lost.primary.interval is lost.p_adjusted is None
    assert lost.primary.difference is not None
    assert lost.primary.reason == "Lost: instructions: in no request"
    assert found.notes[0].endswith("reached no request. Lost: instructions: in no request.")
    other = dataset({arm: values + 0.1 for arm, values in scores.items()})
    assert [one.verdict is None for one in consistency(three, other)] == [False, True]
    event = BinaryEvent(three.metrics[0], ">", 5)
    assert [one.test.p is None for one in count_events(three, [event])] == [False, True]


def test_effects_of_factors_are_not_tested_where_one_arm_s_treatment_was_not_sent() -> None:
    cells = [(tone, length) for tone in ("warm", "cold") for length in ("long", "short")]
    levels = {f"{tone}-{length}": {"tone": tone, "length": length} for tone, length in cells}
    drawn = np.random.default_rng(8).normal(5, 1, size=(4, 4, 3, 2, 2))
    crossed = replace(dataset(dict(zip(levels, drawn, strict=True))), factors=levels)
    assert all(one.estimate.p is not None for one in analyse(crossed).effects)
    lost = replace(crossed, undelivered={"cold-short": "settings: in no request"})
    assert [one.estimate.p for one in analyse(lost).effects] == [None] * len(analyse(crossed).effects)
    assert len(analyse(crossed).effects) == 3, "two factors and their interaction"
