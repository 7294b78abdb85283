"""A session as observers are told of it: two cells, of which one is rerun, with trials and calls that overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from harness.model import Cell, Sample, Usage
from harness.telemetry.events import (
    CallEnded,
    CallFailure,
    CaseEnded,
    CaseStarted,
    Happening,
    ModelReply,
    SessionEnded,
    SessionStarted,
    TrialEnded,
    TrialStarted,
)

CONTROL, TREATMENT = Cell("exp_3", "Control", 2), Cell("exp_3", "Treatment", 2)
PROMPT, REPLY = "You are Ada. What do you do?", "I would rather not say."
_NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return _NOON + timedelta(seconds=seconds)


def call(trial: str, second: float, **changes: object) -> CallEnded:
    made = CallEnded(
        trial=trial,
        started=at(second),
        seconds=0.5,
        kind="act",
        provider="openai",
        model="gpt-4o-mini",
        messages=({"role": "system", "content": "Stay in character."}, {"role": "user", "content": PROMPT}),
        parameters={"temperature": 0.7, "max_tokens": 200},
        person="Ada",
        step=1,
        answer=ModelReply(REPLY, "gpt-4o-mini-2024-07-18", tokens_in=120, tokens_out=30),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def trial_id(cell: Cell, proposal: int) -> str:
    return f"{cell.experiment}/{cell.group}/rep{cell.rep}/panel0/proposal{proposal}"


def trial(case: str, cell: Cell, proposal: int, second: float, *, attempt: int = 1) -> Iterator[Happening]:
    """One trial of two calls, the first replayed."""
    name = trial_id(cell, proposal)
    yield TrialStarted(case, name, at(second), attempt)
    yield call(name, second + 0.1, replayed=True)
    yield call(name, second + 0.7, kind="score_person")
    samples = (Sample("Fluency", 7.0, person="Ada"), Sample("ideas_qty", None, reason="no list"))
    yield TrialEnded(case, name, at(second + 2), samples, Usage({"act": 1, "score_person": 1}, 240, 60))


def session() -> Iterator[Happening]:
    """Control passes; Treatment's second trial fails and its case is rerun; the cases' trials overlap."""
    facts = {"engine": "embedded", "model": "gpt-4o-mini"}
    first, second, again = "Control#1", "Treatment#1", "Treatment#2"
    yield SessionStarted(at(0), facts)
    yield CaseStarted(first, at(0), CONTROL, "run-1", 1, 2, facts)
    yield CaseStarted(second, at(0), TREATMENT, "run-1", 1, 2, facts)
    trials = [trial(first, CONTROL, 0, 1), trial(second, TREATMENT, 0, 1), trial(first, CONTROL, 1, 1)]
    for together in zip(*trials, strict=True):
        yield from together
    broken = trial_id(TREATMENT, 1)
    yield TrialStarted(second, broken, at(2))
    failure = CallFailure("ModelCallError", f"no acceptable reply; the last was {REPLY!r}")
    yield call(broken, 2.5, failure=failure)
    yield TrialEnded(second, broken, at(4), usage=Usage({"act": 1}, 120, 30), failure=failure)
    yield CaseEnded(first, at(5), {"Fluency": 7.0, "ideas_qty": 3.5})
    yield CaseEnded(second, at(5), {"Fluency": 7.0}, problem="1 of 2 trials did not finish.")
    yield CaseStarted(again, at(6), TREATMENT, "run-1", 2, 2, facts)
    yield from trial(again, TREATMENT, 1, 7, attempt=2)
    yield CaseEnded(again, at(10), {"Fluency": 7.0})
    yield SessionEnded(at(11))
