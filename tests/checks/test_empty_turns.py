"""Turns without an action: an arm whose people hardly act fails."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks import examine
from harness.model import Level
from tests.support.instruments import filed, sound, the


def silenced(arm: str, share: float) -> list[dict[str, Any]]:
    """A run in which of every ten turns in ``arm`` a ``share`` has no action."""
    records = sound()
    for one in records:
        actions = [event for event in one["transcript"] if event["kind"] == "action"]
        template = actions[0]
        turns = [
            {**template, "step": number, "type": kind, "content": "Well." if kind == "TALK" else ""}
            for number in range(10)
            for kind in ("TALK", "DONE")
            if kind == "DONE" or one["group"] != arm or number >= share * 10
        ]
        one["transcript"] = [event for event in one["transcript"] if event["kind"] != "action"] + turns
    return records


@pytest.mark.parametrize(
    ("share", "level"),
    [(0.0, Level.PASS), (0.1, Level.WARN), (0.4, Level.WARN), (0.5, Level.FAIL), (1.0, Level.FAIL)],
)
def test_the_share_of_turns_without_an_action(share: float, level: Level) -> None:
    run = filed(silenced("Treatment", share))
    found = the(run, "empty turns", "Treatment")
    assert (found.level, found.number) == (level, share)
    assert the(run, "empty turns", "Control").level is Level.PASS


def test_an_arm_without_turns_is_left_out() -> None:
    records = sound()
    for one in records:
        one["transcript"] = []
    assert not [check for check in examine(filed(records)) if check.name == "empty turns"]
