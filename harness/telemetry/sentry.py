"""Sentry through its official SDK: a transaction per case, a span per trial, a gen_ai span per call, trials' errors.

The client is our own, with no integrations: nothing global is set up, a user's own Sentry goes on as it was, and no
call has two spans. Spans are built from events after the fact, on the observer's thread, with their parents given.

The calls' spans travel outside their case's transaction, as the SDK's own gen_ai spans do by default
(``stream_gen_ai_spans``), trial by trial: a transaction takes a thousand spans and a case may have more calls.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from harness.telemetry.events import (
    CallEnded,
    CallFailure,
    CaseEnded,
    CaseStarted,
    Happening,
    SessionEnded,
    TrialEnded,
    TrialStarted,
)
from harness.telemetry.observers import DeliveryError

if TYPE_CHECKING:
    from sentry_sdk import Client
    from sentry_sdk.tracing import NoOpSpan, Span, Transaction

SPANS_AT_ONCE = 1_000
"""What Sentry takes in one item, as in the SDK's own batcher."""

SEND_SECONDS = 10.0
"""How long a server may take for what one batch of events made."""

ORIGIN = "manual.harness"
WAY_OUT = "check SENTRY_DSN, or unset it"
HIDDEN = "its text may quote a model's reply; --sentry-content sends it"


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the SDK's usual variable names a project."""
    return bool(environ.get("SENTRY_DSN", "").strip())


@dataclass
class _Case:
    name: str
    transaction: Transaction | NoOpSpan
    tags: Mapping[str, str]
    trials: dict[str, _Trial] = field(default_factory=dict)


@dataclass
class _Trial:
    case: _Case
    span: Span
    calls: list[dict[str, Any]] = field(default_factory=list)


class SentryObserver:
    """Sends a trial's calls when it ends, and a case when it ends.

    With ``content``, prompts, replies and the texts of errors too.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, *, content: bool = False) -> None:
        from sentry_sdk import Scope

        self._content = content
        self._losses: list[str] = []
        self._client = _client(environ["SENTRY_DSN"].strip(), self._losses.append)
        self._scope = Scope(client=self._client)
        self._cases: dict[str, _Case] = {}
        self._trials: dict[str, _Trial] = {}

    def handle(self, events: Sequence[Happening]) -> None:
        from sentry_sdk.scope import use_scope

        with use_scope(self._scope):  # ours on this thread; every other thread sees what it saw before
            for event in events:
                self._note(event)
        began = time.monotonic()
        self._client.flush(timeout=SEND_SECONDS)
        if time.monotonic() - began >= SEND_SECONDS:
            self._losses.append(f"no answer in {SEND_SECONDS:.0f} s")
        if self._losses:
            raise DeliveryError(f"its server did not take what was sent ({self._losses[0]}); {WAY_OUT}")

    def close(self, timeout: float) -> None:
        self._client.close(timeout=timeout)

    def _note(self, event: Happening) -> None:
        if isinstance(event, CallEnded):
            self._call(event)
        elif isinstance(event, TrialStarted):
            self._trial_started(event)
        elif isinstance(event, TrialEnded):
            self._trial_ended(event)
        elif isinstance(event, CaseStarted):
            self._case_started(event)
        elif isinstance(event, CaseEnded):
            self._case_ended(event)
        elif isinstance(event, SessionEnded):
            for case in list(self._cases):
                self._case_ended(CaseEnded(case, event.at, problem="The session ended before it."))

    def _case_started(self, event: CaseStarted) -> None:
        cell = event.cell
        name = f"{cell.experiment} {cell.group}"
        transaction = self._scope.start_transaction(
            op="harness.case", name=name, source="custom", origin=ORIGIN, start_timestamp=event.at
        )
        identity = {
            "experiment": cell.experiment,
            "group": cell.group,
            "rep": cell.rep,
            "attempt": event.attempt,
            "run_id": event.run_id,
        }
        tags = {key: str(value) for key, value in identity.items()}
        for key, value in tags.items():
            transaction.set_tag(key, value)
        transaction.set_context("case", {**event.facts, **identity, "trials": event.trials})
        self._cases[event.case] = _Case(name, transaction, tags)

    def _case_ended(self, event: CaseEnded) -> None:
        case = self._cases.pop(event.case, None)
        if case is None:
            return
        for name, trial in case.trials.items():
            self._trials.pop(name, None)
            self._end(trial, event.at, "cancelled")
        case.transaction.set_status("internal_error" if event.problem else "ok")
        case.transaction.set_context("scores", dict(event.scores))
        case.transaction.finish(self._scope, end_timestamp=event.at)

    def _trial_started(self, event: TrialStarted) -> None:
        case = self._cases.get(event.case)
        if case is None:
            return
        span = case.transaction.start_child(
            op="harness.trial", name=event.trial, origin=ORIGIN, start_timestamp=event.at
        )
        span.set_data("trial", event.trial)
        span.set_data("trial_attempt", event.attempt)
        case.trials[event.trial] = self._trials[event.trial] = _Trial(case, span)

    def _trial_ended(self, event: TrialEnded) -> None:
        trial = self._trials.pop(event.trial, None)
        if trial is None:
            return
        del trial.case.trials[event.trial]
        # Not as gen_ai.usage: the calls' spans are counted already.
        for key, value in (
            ("calls", event.usage.total_calls),
            ("tokens_in", event.usage.tokens_in),
            ("tokens_out", event.usage.tokens_out),
        ):
            trial.span.set_data(key, value)
        self._end(trial, event.at, "internal_error" if event.failure else "ok")
        if event.failure is not None:
            self._error(event.failure, event, trial)

    def _end(self, trial: _Trial, at: datetime, status: str) -> None:
        trial.span.set_status(status)
        trial.span.finish(end_timestamp=at)
        self._send(trial)

    def _error(self, failure: CallFailure, event: TrialEnded, trial: _Trial) -> None:
        value = failure.reason if self._content else f"{event.trial} could not be finished ({HIDDEN})"
        self._scope.capture_event(
            {
                "level": "error",
                "timestamp": event.at,
                "transaction": trial.case.name,
                "exception": {"values": [{"type": failure.kind, "value": value}]},
                "contexts": {"trace": trial.span.get_trace_context()},
                "tags": {**trial.case.tags, "trial": event.trial},
                "fingerprint": ["harness", failure.kind, trial.case.name],
            }
        )

    def _call(self, event: CallEnded) -> None:
        trial = self._trials.get(event.trial)
        if trial is None:
            return
        operation = "embeddings" if event.kind == "embedding" else "chat"
        began = event.started.timestamp()
        attributes = {**self._about(trial), **attributes_of(event, operation, content=self._content)}
        trial.calls.append(
            {
                "trace_id": trial.span.trace_id,
                "span_id": uuid4().hex[16:],
                "parent_span_id": trial.span.span_id,
                "name": f"{operation} {event.model}",
                "status": "error" if event.failure else "ok",
                "is_segment": False,
                "start_timestamp": began,
                "end_timestamp": began + event.seconds,
                "attributes": {key: typed(value) for key, value in attributes.items()},
            }
        )
        if len(trial.calls) >= SPANS_AT_ONCE:
            self._send(trial)

    def _about(self, trial: _Trial) -> dict[str, Any]:
        """What the SDK adds to spans that travel alone."""
        options, segment = self._client.options, trial.case.transaction
        known = {
            "sentry.release": options["release"],
            "sentry.environment": options["environment"],
            "sentry.segment.id": segment.span_id,
            "sentry.segment.name": trial.case.name,
            "sentry.origin": ORIGIN,
            **trial.case.tags,
        }
        return {key: value for key, value in known.items() if value}

    def _send(self, trial: _Trial) -> None:
        """Send the calls that have gathered, as an item of Sentry's span protocol, version 2."""
        from sentry_sdk.envelope import Envelope, Item, PayloadRef

        calls, trial.calls = trial.calls, []
        if calls and self._client.transport is not None:
            item = Item(
                PayloadRef(json={"version": 2, "items": calls}),
                type="span",
                content_type="application/vnd.sentry.items.span.v2+json",
                headers={"item_count": len(calls)},
            )
            headers = {"sent_at": datetime.now(UTC).isoformat()}
            self._client.transport.capture_envelope(Envelope(headers=headers, items=[item]))


def attributes_of(event: CallEnded, operation: str, *, content: bool) -> dict[str, Any]:
    """A call in Sentry's and OpenTelemetry's gen_ai attributes, and what is ours under ``harness.``."""
    answer = event.answer
    known: dict[str, Any] = {
        "sentry.op": f"gen_ai.{operation}",
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": event.provider,
        "gen_ai.request.model": event.model,
        "gen_ai.request.temperature": event.parameters.get("temperature"),
        "gen_ai.request.max_tokens": event.parameters.get("max_tokens"),
        "harness.kind": event.kind,
        "harness.person": event.person,
        "harness.step": event.step,
        "harness.attempt": event.attempt,
        "harness.replayed": event.replayed,
        "error.type": event.failure and event.failure.kind,
    }
    if answer is not None:
        known["gen_ai.response.model"] = answer.model
        known["gen_ai.response.finish_reasons"] = [answer.finish_reason]
    if answer is not None and not event.replayed:  # a replayed answer was counted when it was paid
        known["gen_ai.usage.input_tokens"] = answer.tokens_in
        known["gen_ai.usage.output_tokens"] = answer.tokens_out
        known["gen_ai.usage.total_tokens"] = answer.tokens_in + answer.tokens_out
    if content:
        known["gen_ai.input.messages"] = _json([dict(one) for one in event.messages])
        known["gen_ai.output.messages"] = answer and _json([{"role": "assistant", "content": answer.text}])
    return {key: value for key, value in known.items() if value not in (None, "")}


def typed(value: Any) -> dict[str, Any]:
    """An attribute as version 2 of the span protocol has it."""
    kinds: dict[type, str] = {bool: "boolean", int: "integer", float: "double", str: "string", list: "array"}
    return {"value": value, "type": kinds[type(value)]}


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _client(dsn: str, lost: Callable[[str], None]) -> Client:
    from sentry_sdk import Client
    from sentry_sdk.transport import HttpTransport

    class Transport(HttpTransport):
        """Says what it could not deliver."""

        def on_dropped_event(self, reason: str) -> None:
            lost(reason)

    return Client(
        dsn=dsn,
        transport=Transport,
        integrations=[],
        default_integrations=False,
        auto_enabling_integrations=False,
        traces_sample_rate=1.0,
        enable_backpressure_handling=False,
        send_client_reports=False,
        auto_session_tracking=False,
        shutdown_timeout=0,
    )
