"""F54: a model's answers are compared with people's without the people's own noise."""

from __future__ import annotations

import numpy as np
import pytest

from harness.model import Likert
from harness.stats.human_comparison.answers import AnswerSample
from harness.stats.human_comparison.comparison import BETWEEN, OPEN, WITHIN, compare_item
from harness.stats.human_comparison.item_scales import scales_of

TRUST = scales_of(Likert("trust", "How far?"))[0]
CHANCES = [0.4, 0.3, 0.15, 0.1, 0.05]


def exact(n: int) -> AnswerSample:
    """Answers in people's very proportions."""
    return AnswerSample.of(np.repeat(np.arange(5.0), [round(chance * n) for chance in CHANCES]))


@pytest.mark.parametrize("n", [20, 200])
def test_twenty_people_are_farther_from_people_than_two_hundred_and_are_not_blamed_for_it(n: int) -> None:
    rng, people = np.random.default_rng(n), exact(1000)
    found = [
        compare_item(TRUST, AnswerSample.of(rng.choice(5, n, p=CHANCES).astype(float)), people, draws=200)
        for _ in range(60)
    ]
    within = sum((one.distance or 0) <= (one.ceiling or 0) for one in found) / len(found)
    assert within > 0.85
    assert {one.verdict for one in found} & {WITHIN}


def test_the_same_distance_is_noise_for_few_personas_and_a_difference_for_many() -> None:
    people, shifted = exact(1000), (0.3, 0.3, 0.2, 0.1, 0.1)
    few, many = (
        compare_item(
            TRUST, AnswerSample.of(np.repeat(np.arange(5.0), [round(share * n) for share in shifted])), people
        )
        for n in (10, 400)
    )
    assert few.distance == pytest.approx(many.distance)
    assert (few.ceiling or 0) > 2 * (many.ceiling or 0)
    assert few.verdict in (WITHIN, OPEN)
    assert many.verdict == BETWEEN
