"""A run whose settings changed on the way has differences, and no test, interval or verdict anywhere."""

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
