"""What is open in a session, by case and trial: the bookkeeping that tracing adapters share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from harness.telemetry.events import (
    CallEnded,
    CaseEnded,
    CaseStarted,
    Happening,
    SessionEnded,
    TrialEnded,
    TrialStarted,
)

C = TypeVar("C")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenTrial(Generic[C, T]):
    """``span`` is what the adapter opened for the trial."""

    case: OpenCase[C, T]
    span: T


@dataclass(frozen=True, slots=True)
class OpenCase(Generic[C, T]):
    """``span`` is what the adapter opened for the case; ``trials`` are its open ones by id."""

    started: CaseStarted
    span: C
    trials: dict[str, OpenTrial[C, T]] = field(default_factory=dict)


class Tracer(ABC, Generic[C, T]):
    """Turns events into an adapter's spans of cases (``C``) and trials (``T``).

    A case that ends closes its open trials, a session its open cases. Events of what is not open are dropped.
    """

    def __init__(self) -> None:
        self._cases: dict[str, OpenCase[C, T]] = {}
        self._trials: dict[str, OpenTrial[C, T]] = {}

    def trace(self, event: Happening) -> None:
        match event:
            case CallEnded() if trial := self._trials.get(event.trial):
                self.add_call(trial, event)
            case TrialStarted() if open_case := self._cases.get(event.case):
                trial = OpenTrial(open_case, self.open_trial(open_case, event))
                open_case.trials[event.trial] = self._trials[event.trial] = trial
            case TrialEnded() if trial := self._trials.pop(event.trial, None):
                del trial.case.trials[event.trial]
                self.close_trial(trial, event.at, event)
            case CaseStarted():
                self._cases[event.case] = OpenCase(event, self.open_case(event))
            case CaseEnded() if open_case := self._cases.pop(event.case, None):
                for name, trial in open_case.trials.items():
                    del self._trials[name]
                    self.close_trial(trial, event.at, None)
                self.close_case(open_case, event)
            case SessionEnded():
                problem = event.stopped or "The session ended first."
                for name in list(self._cases):
                    self.trace(CaseEnded(name, event.at, problem=problem))

    @abstractmethod
    def open_case(self, event: CaseStarted) -> C: ...

    @abstractmethod
    def open_trial(self, case: OpenCase[C, T], event: TrialStarted) -> T: ...

    @abstractmethod
    def add_call(self, trial: OpenTrial[C, T], event: CallEnded) -> None: ...

    @abstractmethod
    def close_trial(self, trial: OpenTrial[C, T], at: datetime, ended: TrialEnded | None) -> None:
        """``ended`` is ``None`` for a trial that was still open when its case ended."""

    @abstractmethod
    def close_case(self, case: OpenCase[C, T], ended: CaseEnded) -> None: ...


def known(values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` without those that are ``None`` or an empty text."""
    return {key: value for key, value in values.items() if value not in (None, "")}
