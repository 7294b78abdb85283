"""F31: one event among hundreds is reported as a validated effect. Here a difference must outlive any one block."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.model import Level
from tests.support.instruments import DESIGN, filed, scored, sound, the

MANY = replace(DESIGN, proposals=25, reps=4)
"""200 trials in each arm."""


def events(count: int) -> list[dict[str, Any]]:
    """A run in which something happened in the first ``count`` of Treatment's 200 trials, and never in Control."""
    records = sound(MANY)
    treated = sorted(one["trial"] for one in records if one["group"] == "Treatment" and one["rep"] == 1)[
        :count
    ]
    return scored(records, "ideas_qty", lambda one, _: int(one["trial"] in treated))


def test_one_event_of_200_rests_on_one_block() -> None:
    found = the(filed(events(1), design=MANY), "one block", "ideas_qty")
    assert (found.level, found.number) == (Level.WARN, 0.0)
    assert found.message.endswith("+0.00 without one of 50 blocks (driven by panel 0, proposal 0)")


def test_it_is_saturated_at_none_besides() -> None:
    assert the(filed(events(1), design=MANY), "saturation", "ideas_qty").level is Level.FAIL


def test_events_in_many_blocks_rest_on_none_of_them() -> None:
    assert the(filed(events(20), design=MANY), "one block", "ideas_qty").level is Level.PASS
