"""F31: one event among hundreds is reported as a validated effect. In the rounds: effects are counts of decisions."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks import examine
from harness.experiments.cooperation.run_checks import examine as own
from harness.model import Check, Level
from harness.records import Design, FiledRun, outcomes
from tests.support.instruments import first_lines, the
from tests.support.records import START, finished, trials

DESIGN = Design(("Control", "Treatment"), ("cooperation_rate",), (), ((),), 1, 2)


def run(control: tuple[int, int], treatment: tuple[int, int], asked: int | None = None) -> FiledRun:
    """A run of two trials per group with so many cooperations in so many decisions of each group."""
    records: list[dict[str, Any]] = []
    for trial in trials(DESIGN):
        events, of = control if trial.cell.group == "Control" else treatment
        half = (events + 1) // 2 if trial.cell.rep == 1 else events // 2
        record = finished(trial, DESIGN, lambda *_: 0.5) | {"started": START.isoformat()}
        records.append(
            record | {"cooperations": half, "decisions": of // 2, "decisions_asked": (asked or of) // 2}
        )
    from pathlib import Path

    return FiledRun("exp_3", "r1", Path(), (), DESIGN, outcomes(records), tuple(first_lines()))


def of(found: FiledRun, name: str) -> Check:
    (one,) = [check for check in examine(found, own=own) if (check.name, check.about) == (name, "decisions")]
    return one


def test_one_of_36_decisions_is_told_as_such_and_supports_nothing() -> None:
    found = of(run((0, 36), (1, 36)), "events")
    assert found.level is Level.FAIL
    assert "0 of 36 in Control, 1 of 36 in Treatment" in found.message
    assert "1 event of 72: too few to support a claim" in found.message


def test_many_events_are_counted_too() -> None:
    found = of(run((400, 900), (520, 900)), "events")
    assert (found.level, found.number) == (Level.PASS, 780.0)
    assert "400 of 900 in Control, 380 of 900 in Treatment" in found.message


@pytest.mark.parametrize(
    ("control", "treatment", "level"),
    [
        ((36, 36), (36, 36), Level.FAIL),
        ((0, 36), (0, 36), Level.FAIL),
        ((0, 36), (1, 36), Level.FAIL),
        ((36, 36), (0, 36), Level.WARN),  # opposite ends: no tie
        ((36, 36), (18, 36), Level.WARN),
        ((18, 36), (12, 36), Level.PASS),
    ],
)
def test_both_arms_at_one_end_are_saturated(control: Any, treatment: Any, level: Level) -> None:
    assert of(run(control, treatment), "saturation").level is level


@pytest.mark.parametrize(("asked", "level"), [(36, Level.PASS), (40, Level.WARN), (80, Level.FAIL)])
def test_what_is_missing_is_told_as_coverage(asked: int, level: Level) -> None:
    found = of(run((18, 36), (12, 36), asked), "coverage")
    assert found.level is level and f"36 of {asked} in Control" in found.message


def test_the_rate_itself_is_a_metric_among_others() -> None:
    assert the(run((18, 36), (12, 36)), "variance", "cooperation_rate").level is Level.WARN
