"""What happens in a session, as frozen data that observers are told. Times are aware datetimes in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from harness.model import Cell, Sample, Usage


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """``facts`` say how the session runs: provider, model, engine, seed, selection."""

    at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """``stopped`` says why it ended early; ``None`` when it did not."""

    at: datetime
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class CaseStarted:
    """A cell's trials were started.

    ``case`` is unique in the session. ``attempt`` counts from 1; a rerun of the cell is its next attempt.
    ``trials`` is how many there are in all, the earlier ones included. ``labels`` are the arm's own short settings,
    by which cases are told apart beside the cell.
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
    """``scores`` are the means of the values obtained, by metric; ``problem`` says what is not finished."""

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
    """Why something did not end well. ``kind`` is the error's class; ``reason`` may quote a model's reply."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """``failure`` is ``None`` when the trial finished. Samples that could not be obtained carry their reasons.

    ``events`` is what an iterating experiment told while it ran, as its record has it.
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
    """What a model replied. ``model`` is the one that answered; ``cost`` is in US dollars, ``None`` where unknown.

    ``thoughts`` are apart from the ``text``, but in a reply that was not acceptable, whose text is as it came.
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
    """One request to a model came back, or did not: then ``answer`` is ``None`` and ``failure`` says why.

    Both are set for a reply that was not acceptable. ``parameters`` are temperature, max_tokens and the like.
    ``replayed`` means that the answer came from the journal: nothing was sent or paid. ``attempt`` counts from 0.
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


Happening: TypeAlias = (
    SessionStarted | SessionEnded | CaseStarted | CaseEnded | TrialStarted | TrialEnded | CallEnded
)
