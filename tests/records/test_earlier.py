"""Settings of version 0.1.0 beside those of today: only what that version did not know is left out."""

from __future__ import annotations

from typing import Any

import pytest

from harness.records.earlier import setting_differences, without_code

THEN: dict[str, Any] = {
    "experiment": "small",
    "metrics": [{"name": "length", "function": "test_small.length"}, {"name": "own", "function": None}],
    "own": {"code": "a setting of the user's"},
}
NOW: dict[str, Any] = {
    "experiment": "small",
    "metrics": [{"name": "length", "measured": True}, {"name": "own", "function": None}],
    "own": {"code": "a setting of the user's"},
    "code": {"engine": "abc"},
}


def test_code_is_left_out_where_none_was_recorded() -> None:
    assert setting_differences(THEN, NOW) == {}
    assert (
        setting_differences({"settings": THEN, "groups": {"A": {}}}, {"settings": NOW, "groups": {"A": {}}})
        == {}
    )
    assert setting_differences({"arms": {"A": {}}}, {"arms": {"A": {"code": {"nudge": "abc"}}}}) == {}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"code": {"engine": "def"}}, "code.engine"),
        ({"own": {"code": "another"}}, "own.code"),
        ({"own": {}}, "own"),
        ({"experiment": "large"}, "experiment"),
        ({"metrics": [{"name": "length", "measured": True}]}, "metrics"),
    ],
)
def test_all_else_is_compared(change: dict[str, Any], key: str) -> None:
    assert any(found.startswith(key) for found in setting_differences(NOW, {**NOW, **change}))


def test_code_that_is_gone_is_a_difference() -> None:
    gone = {name: value for name, value in NOW.items() if name != "code"}
    assert setting_differences(NOW, gone) == {"code.engine": ("abc", "(not set)")}


def test_code_is_taken_apart_from_other_settings() -> None:
    assert without_code(THEN) == (without_code(NOW)[0], None)
    assert without_code(NOW)[1] == {"engine": "abc"}
