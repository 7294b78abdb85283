"""Emit the events of a session to its observers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from harness.gateway.call_observers import CallRecord
from harness.gateway.calls import Reply, Request
from harness.model import Trial, TrialFailure, TrialResult, Usage
from harness.runtime.cells import CellOutcome, Entry
from harness.telemetry import Observers
from harness.telemetry.events import (
    CallEnded,
    CallFailure,
    CaseEnded,
    CaseStarted,
    ModelReply,
    SessionEnded,
    SessionStarted,
    TrialEnded,
    TrialStarted,
)

SHOWN_PARAMETERS = (
    "frequency_penalty",
    "max_completion_tokens",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning_effort",
    "seed",
    "stop",
    "tool_choice",
    "tools",
    "top_p",
)
"""Extra request fields that observers get; an explicit list, so that it contains no secret."""


SHORT = 40
"""Characters up to which an arm's setting, or a field of what its case is about, is shown with the case."""


def short(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers and short texts among ``settings``."""
    return {
        key: value
        for key, value in settings.items()
        if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= SHORT)
    }


def _about(entry: Entry) -> dict[str, Any]:
    """The short fields of the proposal that the case is about."""
    proposals = entry.first_line["script"]["words"]["proposals"]
    fields: Mapping[str, Any] = next((one for one in proposals if one.get("id") == entry.label), {})
    return {key: value for key, value in short(fields).items() if key != "id"}


class Emitter:
    """What a session tells its observers, from any thread. Implements the gateway's `CallObserver`."""

    def __init__(self, observers: Observers, now: Callable[[], datetime]) -> None:
        self._observers, self._now = observers, now
        self._facts: Mapping[str, Any] = {}
        self._attempts: Counter[str] = Counter()
        self._case_of: dict[str, str] = {}

    def __bool__(self) -> bool:
        """Whether there are observers."""
        return bool(self._observers)

    def session_started(self, facts: Mapping[str, Any]) -> None:
        self._facts = {key: value for key, value in facts.items() if value is not None}
        if self:
            self._observers.handle(SessionStarted(self._now(), self._facts))

    def session_ended(self, stopped: str | None) -> None:
        if self:
            self._observers.handle(SessionEnded(self._now(), stopped))

    def close(self) -> None:
        """Let the observers send what they have, for a few seconds at most."""
        self._observers.close()

    def case_started(self, entry: Entry, run_id: str) -> str:
        """The case's id: unique in the session, one for each time that the cell was started."""
        cell = entry.cell
        name = f"{cell}/{entry.label}" if entry.label else str(cell)
        self._attempts[name] += 1
        attempt = self._attempts[name]
        case = f"{name}#{attempt}"
        if self:
            about = {name: entry.first_line[name] for name in ("engine", "mode", "correction")}
            names = [one["name"] for one in entry.first_line["interventions"]]
            facts = {**self._facts, **about, "interventions": names}
            facts |= {**_about(entry), "case": entry.label} if entry.label else {}
            labels = short(entry.group_settings.get("own") or {})
            started = CaseStarted(case, self._now(), cell, run_id, attempt, entry.trials, facts, labels)
            self._observers.handle(started)
        return case

    def case_ended(self, case: str, outcome: CellOutcome) -> None:
        if not self:
            return
        values: dict[str, list[float]] = defaultdict(list)
        for sample in (sample for one in outcome.played for sample in one.samples):
            if sample.value is not None:
                values[sample.metric].append(sample.value)
        scores = {metric: fmean(some) for metric, some in values.items()}
        self._observers.handle(CaseEnded(case, self._now(), scores, outcome.problem()))

    def trial_started(self, case: str, trial: Trial, attempt: int) -> None:
        if self:
            self._case_of[trial.id] = case
            self._observers.handle(TrialStarted(case, trial.id, self._now(), attempt))

    def trial_ended(self, trial: Trial, outcome: TrialResult | TrialFailure, usage: Usage) -> None:
        if not self:
            return
        case, at = self._case_of.pop(trial.id, ""), self._now()
        told = outcome.details.get("events", ())
        if isinstance(outcome, TrialFailure):
            failure = CallFailure(outcome.kind, outcome.reason)
            self._observers.handle(TrialEnded(case, trial.id, at, usage=usage, failure=failure, events=told))
        else:
            self._observers.handle(TrialEnded(case, trial.id, at, outcome.samples, usage, events=told))

    def on_call(self, call: CallRecord) -> None:
        """One attempt at a call, on the event loop's thread."""
        self._observers.handle(call_ended(call))


def call_ended(call: CallRecord) -> CallEnded:
    """The gateway's record in the observers' words. Of an embedding, the text goes in and nothing comes out."""
    request, error = call.request, call.error
    embedded = call.site.kind == "embedding"
    texts = request.extra.get("input", ()) if embedded else ()
    return CallEnded(
        trial=call.trial,
        started=datetime.fromtimestamp(call.started, UTC),
        seconds=call.seconds,
        kind=call.site.kind,
        provider=call.provider,
        model=request.model,
        messages=[{"role": "user", "content": text} for text in texts] if embedded else request.messages,
        parameters=parameters(request),
        person=call.site.person,
        step=call.site.step,
        attempt=call.attempt,
        answer=None if call.reply is None else _answer(call.reply, "" if embedded else call.reply.text),
        failure=None if error is None else CallFailure(type(error).__name__, str(error)),
        replayed=call.replayed,
    )


def parameters(request: Request) -> dict[str, Any]:
    """What of a request is neither its messages nor its model."""
    known = {
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "response_format": request.response_format,
        **{name: request.extra[name] for name in SHOWN_PARAMETERS if name in request.extra},
    }
    return {name: value for name, value in known.items() if value is not None}


def _answer(reply: Reply, text: str) -> ModelReply:
    return ModelReply(
        text=text,
        model=reply.model,
        finish_reason=reply.finish_reason,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        tool_calls=reply.tool_calls,
        cost=reply.cost,
        thoughts=reply.thoughts,
    )
