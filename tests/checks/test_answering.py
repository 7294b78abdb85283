"""Who answered and judged, under which settings: the same in both arms but for what the design names."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks import examine
from harness.model import Level
from tests.support.instruments import bad, each, filed, first_lines, sound, the

PAIR = "Treatment against Control"


def answered(*models: tuple[str | None, str | None, int]) -> list[dict[str, Any]]:
    """A run in which Treatment's trials were each answered by these (model, fingerprint, replies)."""
    found = [dict(zip(("model", "fingerprint", "replies"), one, strict=True)) for one in models]
    return each(sound(), "Treatment", lambda record: record["usage"].update(models=found))


@pytest.mark.parametrize(
    ("changes", "name", "level"),
    [
        ({"model": "player-2"}, "settings", Level.FAIL),
        ({"temperature": 0.0}, "settings", Level.FAIL),
        ({"judge_model": "judge-2"}, "settings", Level.FAIL),
        ({"script": {"sha256": "cd34"}}, "settings", Level.FAIL),
        ({"settings": {"experiment": "exp_3", "steps": 6}}, "settings", Level.FAIL),
        ({"harness_version": "0.2.0"}, "versions", Level.WARN),
        ({"git_commit": "decaf"}, "versions", Level.WARN),
    ],
)
def test_what_differs_beyond_the_design(changes: dict[str, Any], name: str, level: Level) -> None:
    assert bad(filed(sound(), first_lines(Treatment=changes)))[name, ""] is level


@pytest.mark.parametrize(
    "changes",
    [
        {"group_settings": {"correction": {"enabled": True}, "population": "ef56"}},
        {"temperature": 0.2, "group_settings": {"own": {"temperature": 0.2}}},
        {"rep": 2, "timestamp": "2026-11-20T20:50:13+00:00", "selection": {"k": "exp_3"}},
    ],
    ids=["the group's own settings", "an arm's own temperature", "what is no setting"],
)
def test_what_the_design_names_may_differ(changes: dict[str, Any]) -> None:
    assert bad(filed(sound(), first_lines(Treatment=changes))) == {}


def test_another_model_in_one_arm() -> None:
    run = filed(answered(("player-2", None, 10)))
    assert bad(run) == {("model", PAIR): Level.FAIL}
    assert the(run, "model").message == "only in one arm: player-1 in Control, player-2 in Treatment"


def test_a_few_replies_by_another_model() -> None:
    run = filed(answered(("player-1", "fp_1", 96), ("player-2", None, 4)))
    assert bad(run) == {("model", PAIR): Level.WARN}


@pytest.mark.parametrize(
    ("fingerprints", "level"),
    [((9.5, 0.5), None), ((8, 2), Level.WARN), ((0, 10), Level.FAIL)],
)
def test_snapshots_that_are_spread_unlike(fingerprints: tuple[float, float], level: Level | None) -> None:
    counts = [int(10 * count) for count in fingerprints]
    run = filed(answered(("player-1", "fp_1", counts[0]), ("player-1", "fp_2", counts[1])))
    assert bad(run) == ({} if level is None else {("snapshot", PAIR): level})


def judged(by: object, **more: object) -> Level | None:
    changes = {"judge_model": by, **more}
    return bad(filed(sound(), first_lines(Control=changes, Treatment=changes))).get(("judge", ""))


@pytest.mark.parametrize("judge", [None, "player-1", "openai:player-1"])
def test_a_judge_that_was_optimised_against(judge: str | None) -> None:
    assert judged(judge) is Level.WARN


def test_a_judge_of_its_own() -> None:
    assert judged("judge-1") is None


def test_the_record_knows_best_whether_two_names_are_one_model() -> None:
    assert judged("vendor/player-1", judge_is_player=True) is Level.WARN
    assert judged("player-1", judge_is_player=False) is None


def test_without_correction_nothing_was_optimised() -> None:
    off = {"judge_model": None, "correction": {"enabled": False}}
    assert bad(filed(sound(), first_lines(Control=off, Treatment=off))) == {}


DECLARED, OBJECT = {"as declared": 10}, {"json_object": 10}


@pytest.mark.parametrize(
    ("control", "treatment", "level"),
    [
        (DECLARED, DECLARED, None),
        (OBJECT, OBJECT, Level.PASS),
        (DECLARED, OBJECT, Level.FAIL),
        ({"as declared": 1, "json_object": 9}, {"as declared": 1, "json_object": 9}, Level.WARN),
        ({"as declared": 1, "json_object": 9}, OBJECT, Level.FAIL),
    ],
)
def test_arms_ask_for_json_in_one_form(
    control: dict[str, int], treatment: dict[str, int], level: Level | None
) -> None:
    records = each(sound(), "Control", lambda record: record["replies"].update(forms={"act": control}))
    records = each(records, "Treatment", lambda record: record["replies"].update(forms={"act": treatment}))
    found = [check for check in examine(filed(records)) if check.name == "response format"]
    assert [check.level for check in found] == ([] if level is None else [level])


def test_a_declared_option_that_reached_no_call_fails() -> None:
    lines = first_lines(Treatment={"model_options": {"top_p": 0.5}})
    records = each(sound(), "Treatment", lambda record: record.update(unsent_options=["top_p"]))
    assert bad(filed(sound(), lines)) == {}
    assert bad(filed(records, lines))["model options", "Treatment"] is Level.FAIL


def test_the_temperature_of_an_arm_is_its_own_where_the_arm_names_it() -> None:
    changes = {"temperature": 0.0, "group_settings": {"model_options": {"temperature": 0.0}}}
    assert ("settings", "") not in bad(filed(sound(), first_lines(Treatment=changes)))
