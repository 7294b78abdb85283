"""Settings of version 0.1.0 beside those of today: only what that version did not know is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.records.earlier_versions import setting_differences, without_code
from harness.records.registry.recovery import runs_in

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


def test_functions_of_this_package_are_known_by_their_earlier_names() -> None:
    then, now = (
        {"play": "harness.studies.payments.experiment.play"},
        "harness.experiments.payments.experiment.play",
    )
    assert setting_differences(then, {"play": now}) == {}
    assert setting_differences(then, {"play": now + "_again"}) != {}


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


def test_a_run_read_from_its_records_has_the_settings_of_its_newest_file(tmp_path: Path) -> None:
    for name, moment, settings in (("a", "10:00", THEN), ("b", "12:00", NOW), ("c", "11:00", THEN)):
        line = {
            "type": "run_metadata",
            "run_id": "r1",
            "experiment": "small",
            "group": name,
            "group_settings": {},
            "fingerprint": moment,
            "settings": settings,
            "design": {"reps": 1},
            "timestamp": f"2025-11-20T{moment}:00+00:00",
        }
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
    (run,) = runs_in(tmp_path)
    assert (run.settings, run.fingerprint) == (NOW, "12:00")
    assert run.created == "2025-11-20T10:00:00+00:00"
