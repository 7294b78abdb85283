"""Locked plans: their seal, what departs from them, and how often somebody looked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigurationError, HarnessError
from harness.records.looks import NAME, count_looks, looks_at, note_look
from harness.records.plans import Plan, PlanProgress, beyond, deviations, lock, plan_for, plans_in, read_plan

NOW = datetime(2026, 11, 20, tzinfo=UTC)
CONTENT: dict[str, Any] = {
    "experiment": "exp_3",
    "locked": "2026-11-20T10:00:00+00:00",
    "primary_metrics": ["Fluency"],
    "sesoi": 0.5,
    "n": {"reps": 2, "panels": 4, "proposals": 3, "trials_per_arm": 24},
    "looks": 1,
    "exclusions": [],
    "fingerprint": "f" * 64,
    "settings": {"model": "gpt", "temperature": None},
    "group_settings": {"Control": {"correction": {"enabled": False}}},
}
AS_PLANNED = PlanProgress(
    settings={"model": "gpt", "temperature": None},
    groups={"Control": {"correction": {"enabled": False}}},
    metrics=("Fluency", "Divergence"),
    n={"reps": 2, "panels": 4, "proposals": 3},
    finished={"Control": 24, "Treatment": 24},
    plans=(),
    runs=("r1",),
    looks=1,
    began="2026-11-20T11:00:00+00:00",
)


def test_a_plan_is_read_as_it_was_locked(tmp_path: Path) -> None:
    plan = lock(CONTENT, tmp_path, tmp_path / "copy" / "plan.json")
    assert plan.path is not None and plan.path.parent == tmp_path / "plans" and plan.intact
    assert plans_in(tmp_path) == [plan] == plans_in(tmp_path, "exp_3") and not plans_in(tmp_path, "exp_1")
    assert replace(read_plan(tmp_path / "copy" / "plan.json"), path=plan.path) == plan


def test_the_seal_does_not_depend_on_the_order_of_keys(tmp_path: Path) -> None:
    turned = dict(reversed(CONTENT.items()))
    assert lock(CONTENT, tmp_path / "a").sealed == lock(turned, tmp_path / "b").sealed


def test_a_second_plan_of_the_same_settings_is_refused(tmp_path: Path) -> None:
    lock(CONTENT, tmp_path)
    with pytest.raises(ConfigurationError, match="A locked plan does not change"):
        lock({**CONTENT, "sesoi": 0.1}, tmp_path)
    lock({**CONTENT, "fingerprint": "e" * 64}, tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"type": "harness_plan"}', '{"type": "other", "sha256": "x"}', "\ud800"]
)
def test_what_is_no_plan_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, errors="surrogatepass")
    with pytest.raises(HarnessError, match=r"harness plan lock|is not UTF-8"):
        read_plan(path)


def test_a_plan_that_was_touched_is_not_intact(tmp_path: Path) -> None:
    path = lock(CONTENT, tmp_path).path
    assert path is not None
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "sesoi": 0.05}))
    plan = read_plan(path)
    assert not plan.intact
    assert any("plan changed after it was locked" in one for one in deviations(plan, AS_PLANNED))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, None),
        (
            {"settings": {"model": "other", "temperature": None}},
            "setting model: 'gpt' planned, 'other' found",
        ),
        (
            {"groups": {"Control": {"correction": {"enabled": True}}}},
            "group Control, correction.enabled: False",
        ),
        ({"n": {"reps": 4, "panels": 4, "proposals": 3}}, "reps: 2 planned, 4 found"),
        ({"n": {"reps": 2, "panels": 4, "proposals": 1}}, "proposals: 3 planned, 1 found"),
        ({"finished": {"Control": 24, "Treatment": 20}}, "Treatment: 24 trials planned, 20 finished"),
        ({"metrics": ("Divergence",)}, "primary metric 'Fluency' is not a metric of the run: Divergence"),
        ({"looks": 3}, "looks: 1 planned, 3 taken"),
        ({"plans": ("0" * 64,)}, "plan changed after it was locked: the run worked under 000000000000"),
        ({"began": "2026-11-20T09:00:00+00:00"}, "before the plan was locked"),
        ({"runs": ("r1", "r2")}, "runs: 1 planned, 2 merged"),
        (
            {"contrasts": [["Treatment", "Control"]]},
            "contrasts: each later group against the first planned, Treatment − Control found",
        ),
        (
            {"contrasts": {"odd": 1}},
            "contrasts: each later group against the first planned, {'odd': 1} found",
        ),
    ],
)
def test_each_departure_is_one_sentence(tmp_path: Path, change: dict[str, Any], text: str | None) -> None:
    plan = lock(CONTENT, tmp_path)
    found = deviations(plan, replace(AS_PLANNED, **change))
    if text is None:
        assert found == []
    else:
        assert len(found) == 1 and text in found[0]


@pytest.mark.parametrize(
    ("adjustment", "found"),
    [
        (
            "Dunnett over the groups",
            ["adjustment: Dunnett over the groups planned, Holm over the contrasts found"],
        ),
        ("Holm over the contrasts", []),
        ("none", []),
    ],
)
def test_a_plan_locked_with_a_correction_that_is_no_longer_made(
    tmp_path: Path, adjustment: str, found: list[str]
) -> None:
    assert deviations(lock({**CONTENT, "adjustment": adjustment}, tmp_path), AS_PLANNED) == found


def test_a_run_is_held_against_the_plan_of_its_settings_else_the_newest(tmp_path: Path) -> None:
    mine = lock(CONTENT, tmp_path)
    newer = lock({**CONTENT, "fingerprint": "e" * 64, "locked": "2026-11-20T12:00:00+00:00"}, tmp_path)

    def held(mark: str, *, rehearsal: bool = False) -> Plan | None:
        return plan_for(tmp_path, "exp_3", mark, rehearsal=rehearsal)

    assert held("f" * 64) == mine and held("e" * 64) == newer and held("d" * 64) == newer
    assert held("d" * 64, rehearsal=True) is None and held("f" * 64, rehearsal=True) == mine
    assert plan_for(tmp_path, "exp_1", "f" * 64, rehearsal=False) is None


def test_beyond_the_planned_n(tmp_path: Path) -> None:
    plan = lock(CONTENT, tmp_path)
    assert beyond(plan, 1) is None and beyond(plan, 2, ["r1", "r1"]) is None
    assert beyond(plan, 3) == "3 reps where 2 are planned"
    assert beyond(plan, 2, ["r2", "r1"]) == "2 runs (r1, r2) where one is planned"


def test_looking_twice_at_the_same_trials_is_one_look(tmp_path: Path) -> None:
    for number, run in ((0, "r1"), (10, "r1"), (10, "r1"), (24, "r1"), (24, "r2")):
        finished = {"Control": number, "Treatment": number}
        note_look(tmp_path, run, "exp_3", finished, how="session", now=NOW)
    rows = looks_at(tmp_path, ["r1"])
    assert [row["finished"]["Control"] for row in rows] == [10, 10, 24], "nothing to see is no look"
    assert count_looks(rows) == 2 and count_looks(looks_at(tmp_path, ["r1", "r2"])) == 3
    with (tmp_path / NAME).open("a") as file:
        file.write('{"type": "look", "look_r')
    assert count_looks(looks_at(tmp_path, ["r1"])) == 2, "a torn row is passed over"
    assert looks_at(tmp_path / "nowhere", ["r1"]) == []


def test_a_plan_that_knew_no_code_is_that_of_runs_which_record_theirs(tmp_path: Path) -> None:
    plan = lock(CONTENT, tmp_path)
    settings = {**CONTENT["settings"], "code": {"engine": "abc"}}
    assert plan_for(tmp_path, "exp_3", "a" * 64, settings, rehearsal=True) == plan
    assert plan_for(tmp_path, "exp_3", "a" * 64, {**settings, "model": "other"}, rehearsal=True) is None
    assert deviations(plan, replace(AS_PLANNED, settings=settings)) == []


def test_other_code_than_planned_is_a_deviation(tmp_path: Path) -> None:
    settings = {**CONTENT["settings"], "code": {"play": "abc"}}
    plan = lock({**CONTENT, "settings": settings, "metric_code": {"Fluency": "abc"}}, tmp_path)
    run = replace(AS_PLANNED, settings={**settings, "code": {"play": "def"}}, metric_code={"Fluency": "def"})
    assert deviations(plan, run) == [
        "setting code.play: 'abc' planned, 'def' found",
        "metric Fluency: code abc planned, def found",
    ]
