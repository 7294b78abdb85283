"""Saturation and constant scores: planted in one arm, in both, and just below the threshold."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model import Level
from tests.support.instruments import bad, filed, scored, sound, the


def at(value: float, arms: tuple[str, ...], spared: int = 0) -> dict[tuple[str, str], Level]:
    """What is found with Fluency at ``value`` in ``arms``, but for ``spared`` scores of each."""
    left = dict.fromkeys(arms, spared)

    def put(record: dict[str, Any], person: str | None) -> float:
        group = record["group"]
        own = next(s["value"] for s in record["samples"] if (s["metric"], s["person"]) == ("Fluency", person))
        if group not in left:
            return float(own)
        left[group] -= 1
        return value if left[group] < 0 else 1.0

    found = bad(filed(scored(sound(), "Fluency", put)))
    return {key: level for key, level in found.items() if key[0] in ("saturation", "variance")}


@pytest.mark.parametrize("value", [0, 5, 9])
def test_one_arm_at_one_value_is_a_warning(value: int) -> None:
    found = at(value, ("Treatment",))
    assert found == {("saturation", "Fluency"): Level.WARN, ("variance", "Fluency"): Level.WARN}


def test_both_arms_at_one_value_fail() -> None:
    assert at(9, ("Control", "Treatment"))["saturation", "Fluency"] is Level.FAIL


def test_one_score_of_24_beside_is_still_saturated_and_two_are_not() -> None:
    assert at(9, ("Control", "Treatment"), 1) == {("saturation", "Fluency"): Level.FAIL}  # 95.8 %
    assert at(9, ("Control", "Treatment"), 2) == {}  # 91.7 %


def test_arms_at_opposite_ends_are_a_separation_not_a_tie() -> None:
    records = scored(sound(), "Fluency", lambda record, _: 9 if record["group"] == "Treatment" else 0)
    found = the(filed(records), "saturation", "Fluency")
    assert (found.level, found.number) == (Level.WARN, 1.0)
    assert found.message == "100 % at 0 (the floor) in Control, 100 % at 9 (the ceiling) in Treatment"


def test_a_few_equal_scores_say_nothing() -> None:
    records = [record for record in sound() if record["rep"] == 1 and record["panel"] == 0]
    found = the(filed(scored(records, "Divergence", lambda *_: 9)), "saturation", "Divergence")
    assert (found.level, found.number) == (Level.PASS, None)
