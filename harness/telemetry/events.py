"""What happens in a session, as the frozen data that observers get. Times are aware datetimes in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from harness.model import Cell, Sample, Usage


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """``facts`` are the session's settings: provider, model, engine, seed, selection."""

    at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """``stopped`` is why it ended early, if it did."""

    at: datetime
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class CaseStarted:
    """A cell's trials start.

    ``case`` is unique in the session. ``attempt`` counts from 1; a rerun of the cell is its next attempt.
    ``trials`` counts all of the cell's trials, earlier attempts included. ``labels`` are the arm's short settings.
    """

    case: str
    at: datetime
    cell: Cell
    run_id: str
    attempt: int = 1
    trials: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CaseEnded:
    """``scores`` are the means of the values obtained, by metric; ``problem`` is what did not finish, if anything."""

    case: str
    at: datetime
    scores: Mapping[str, float] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """``trial`` is the trial's id; ``attempt`` counts its tries in the run, from 1."""

    case: str
    trial: str
    at: datetime
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class CallFailure:
    """Why a call or trial failed. ``kind`` is the error's class; ``reason`` may quote a model's reply."""

    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """``failure`` is ``None`` when the trial finished; missing samples have their reasons.

    ``events`` are those of an iterating experiment, as recorded.
    """

    case: str
    trial: str
    at: datetime
    samples: Sequence[Sample] = ()
    usage: Usage = field(default_factory=Usage)
    failure: CallFailure | None = None
    events: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A model's reply. ``model`` names the one that answered; ``cost`` is in US dollars, ``None`` where unknown.

    ``thoughts`` are separated from ``text``, except in a rejected reply.
    """

    text: str
    model: str = ""
    finish_reason: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    tool_calls: Sequence[Mapping[str, Any]] = ()
    cost: float | None = None
    thoughts: str = ""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """One request to a model ended with an ``answer``, a ``failure``, or both for a reply that was rejected.

    ``parameters`` are temperature, max_tokens and the like. A ``replayed`` answer came from the journal: nothing was
    sent or paid. ``attempt`` counts from 0.
    """

    trial: str
    started: datetime
    seconds: float
    kind: str
    provider: str = ""
    model: str = ""
    messages: Sequence[Mapping[str, Any]] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    person: str = ""
    step: int = -1
    attempt: int = 0
    answer: ModelReply | None = None
    failure: CallFailure | None = None
    replayed: bool = False

    @property
    def paid_answer(self) -> ModelReply | None:
        """The answer, unless it came from the journal: that one was counted when it was paid for."""
        return None if self.replayed else self.answer


Happening: TypeAlias = (
    SessionStarted | SessionEnded | CaseStarted | CaseEnded | TrialStarted | TrialEnded | CallEnded
)
