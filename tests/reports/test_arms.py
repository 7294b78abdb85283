"""What is said of an arm: of personas their correction and interventions, of an own play its own settings."""

from __future__ import annotations

import pytest

from harness.reports import design_summary
from harness.reports.arm_labels import arm, own_settings

OWN = {"engine": "own", "group": "applike", "correction": {"enabled": False}, "interventions": []}


@pytest.mark.parametrize(
    ("own", "text"),
    [
        ({"variant": "applike", "tools": [{}, {}, {}], "tools_sha256": "ab" * 32}, "3 tools"),
        ({"tone": "dry", "depth": 2}, "tone dry, depth 2"),
        (
            {"told": "All of you are copies of one and the same model."},
            "told 'All of you are copies of one and the same …'",
        ),
        ({"told": ""}, "told nothing"),
        ({"variant": "applike"}, ""),
        ({}, ""),
    ],
)
def test_an_own_plays_arm(own: dict[str, object], text: str) -> None:
    line = {**OWN, "group_settings": {"own": own}}
    assert own_settings(line) == arm(line) == text
    assert design_summary.arm(line) == (text or "default settings")


def test_an_arm_of_personas_is_told_as_ever() -> None:
    line = {**OWN, "engine": "embedded"}
    assert own_settings(line) is None
    assert arm(line) == design_summary.arm(line) == "correction off; no intervention"
