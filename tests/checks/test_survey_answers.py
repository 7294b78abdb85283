"""Checks of surveys: opt-outs and skipped items are answers, and a rare option is no fault of the scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.checks import condense
from harness.model import Level, Trial
from harness.records import Design, FiledRun, outcomes
from tests.support.instruments import bad, the
from tests.support.records import finished, trials

DESIGN = Design(
    groups=("Control", "Treatment"),
    metrics=("trust", "stay=rarely"),
    person_metrics=("trust", "stay=rarely"),
    panels=tuple((f"P{number}",) for number in range(40)),
    proposals=1,
    reps=1,
)
PLAY = {
    "survey": [
        {"type": "likert", "name": "trust", "question": "How far?"},
        {"type": "choice", "name": "stay", "question": "Will you?", "options": ["yes", "no", "rarely"]},
    ]
}


def filed(reason: Callable[[Trial], str | None], play: Any = PLAY) -> FiledRun:
    """A run in which ``trust`` has no number where there is a ``reason``, and one option is never chosen."""
    records = []
    for trial in trials(DESIGN):
        record = finished(
            trial, DESIGN, lambda trial, metric, _: trial.panel % 5 + 1 if metric == "trust" else 0
        )
        if (why := reason(trial)) is not None:
            record["samples"][0] |= {"value": None, "reason": why}
        records.append(record)
    lines = [
        {
            "type": "run_metadata",
            "run_id": "r1",
            "experiment": "exp_3",
            "group": group,
            "settings": {"play": play},
        }
        for group in DESIGN.groups
    ]
    return FiledRun("exp_3", "r1", Path(), (), DESIGN, outcomes(records), tuple(lines))


def every(step: int, reason: str) -> Callable[[Trial], str | None]:
    return lambda trial: reason if trial.panel % step == 0 else None


def test_opt_outs_and_skipped_items_are_not_missing() -> None:
    for reason in ("opt out: don't know", "skipped: its condition does not hold: stay == 'no'"):
        run = filed(every(3, reason))
        assert not [name for name, _ in bad(run) if name.startswith(("missing", "denominators", "opt-outs"))]
        assert the(run, "missing", "trust").number == 0
        assert the(run, "opt-outs and skips", "trust").number == 0


def test_missing_answers_are() -> None:
    assert the(filed(every(3, "9 is not on the scale.")), "missing", "trust").level is Level.FAIL


def test_arms_that_differ_much_in_opt_outs_are_of_different_people() -> None:
    run = filed(
        lambda trial: "opt out: don't know" if trial.cell.group == "Control" and trial.panel % 2 else None
    )
    found = the(run, "opt-outs and skips", "trust")
    assert (found.level, found.number) == (Level.WARN, 0.5)


def test_a_rare_option_warns_where_a_tied_score_fails() -> None:
    assert the(filed(lambda _: None), "saturation", "stay=rarely").level is Level.WARN
    assert the(filed(lambda _: None, None), "saturation", "stay=rarely").level is Level.FAIL


def test_equal_answers_of_two_personas_are_no_copies_of_a_reply() -> None:
    long = {
        "step": 1,
        "person": "P",
        "kind": "action",
        "content": "1. " + "the police: 4, " * 20,
        "source": "P",
    }
    assert condense({"transcript": [{**long, "type": "ANSWER"}], "people": ["P"]})["said"] == ()
    assert condense({"transcript": [{**long, "type": "TALK"}], "people": ["P"]})["said"] != ()
