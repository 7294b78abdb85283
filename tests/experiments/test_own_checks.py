"""Checks of an experiment's own play: in the meta file, in the summary, in ``harness check`` and ``harness merge``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from harness.checks import CheckRunner, examine
from harness.model import (
    Cell,
    Check,
    Level,
    Sample,
    Script,
    Trial,
    TrialFailure,
    TrialPlan,
    TrialResult,
    Usage,
)
from harness.records.lines import COMMON, trial_line
from harness.runtime.play_checks import own_checks
from tests.plugin.test_own_play import OWN
from tests.support.instruments import filed, sound
from tests.support.sessions import Lab

EXAMINED = OWN.replace("    play=Play(play, ", "    play=Play(play, examine=examine, calls=").replace(
    "questions = Experiment",
    """def examine(run):
    from harness.model import Check, Level
    texts = [one.accepted["response_text"] for one in run.outcomes.values()]
    yield Check("answers", Level.FAIL, f"{len(texts)} answers were read", len(texts))


questions = Experiment""",
)


def test_an_experiment_at_hand_is_examined_at_the_end_of_its_session(lab: Lab) -> None:
    lab.write(
        EXAMINED.replace("len(reply.text)", "len(reply.text[:9])").replace(
            ": reply.text}", ": reply.text[:9]}"
        )
    )
    result = lab.run("--strict-instrument", f"--report={lab.path}/r.md")
    result.stdout.fnmatch_lines(["  FAIL answers: 6 answers were read *"])
    assert result.ret == 1
    (found,) = [one for one in lab.meta()["instrument"]["checks"] if one["name"] == "answers"]
    assert found["number"] == 6
    assert "6 answers were read" in (lab.path / "r.md").read_text()


def test_only_an_own_play_is_asked() -> None:
    assert list(own_checks()(filed(sound()))) == []


def test_a_fault_in_own_checks_is_a_fail_and_loses_nothing() -> None:
    def broken(_: Any) -> list[Check]:
        raise ValueError("no idea")

    *others, last = examine(filed(sound()), own=broken)
    assert (last.name, last.level) == ("own checks", Level.FAIL) and "ValueError: no idea" in last.message
    assert others == examine(filed(sound()))


def line(details: dict[str, Any], *, failure: bool = False) -> dict[str, Any]:
    trial = Trial(Cell("e", "g", 1), 0, 0)
    plan = TrialPlan(trial, (), Script(task=""), {}, 1, None, (), (), 0)
    outcome = (
        TrialFailure(trial, "why", "Kind")
        if failure
        else TrialResult(trial, (Sample("m", 1.0),), details=details)
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return trial_line(
        outcome, plan, run_id="r", usage=Usage(), attempt=1, started=now, ended=now, duration=1.0
    )


@pytest.mark.parametrize("failure", [False, True])
def test_every_key_of_a_plain_line_is_known_as_common(failure: bool) -> None:
    assert line({}, failure=failure).keys() <= COMMON


def test_short_details_are_kept_and_long_ones_are_not() -> None:
    kept = CheckRunner().keep(line({"outcome": "acted", "latency": 0.5, "text": "x" * 1000, "calls": [1]}))
    assert (kept["outcome"], kept["latency"]) == ("acted", 0.5)
    assert "text" not in kept and "calls" not in kept
