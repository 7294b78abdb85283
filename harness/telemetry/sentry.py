"""Sentry through its official SDK: a transaction per case, a span per trial, a gen_ai span per call, trials' errors.

The client is separate and has no integrations, so nothing global is set up, a user's own Sentry is not affected, and no
call has two spans. Spans are built from events after the fact, on the observer's thread.

Calls are sent outside their case's transaction, trial by trial, as the SDK sends its own gen_ai spans by default
(``stream_gen_ai_spans``): a transaction holds a thousand spans, and a case may have more calls.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from harness.telemetry.events import CallEnded, CaseEnded, CaseStarted, Happening, TrialEnded, TrialStarted
from harness.telemetry.observers import DeliveryError
from harness.telemetry.tracing import OpenCase, OpenTrial, Tracer, known

if TYPE_CHECKING:
    from sentry_sdk import Client
    from sentry_sdk.tracing import NoOpSpan, Span, Transaction

    Case = OpenCase[Transaction | NoOpSpan, Span]
    Trial = OpenTrial[Transaction | NoOpSpan, Span]

SPANS_AT_ONCE = 1_000
"""The most spans that Sentry accepts in one item; the SDK's batcher has the same limit."""

SEND_SECONDS = 10.0
"""How long a server may take for one batch of events."""

ORIGIN = "manual.harness"
WAY_OUT = "check SENTRY_DSN, or unset it"
HIDDEN = "its text may quote a model's reply"


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the SDK's usual variable names a project."""
    return bool(environ.get("SENTRY_DSN", "").strip())


class SentryObserver(Tracer["Transaction | NoOpSpan", "Span"]):
    """Sends a trial's calls when it ends, and a case when it ends.

    With ``content``, prompts, replies and the texts of errors too.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, *, content: bool = False) -> None:
        from sentry_sdk import Scope

        super().__init__()
        self._content = content
        self._losses: list[str] = []
        self._client = _client(environ["SENTRY_DSN"].strip(), self._losses.append)
        self._scope = Scope(client=self._client)
        self._calls: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def handle(self, events: Sequence[Happening]) -> None:
        from sentry_sdk.scope import use_scope

        with use_scope(self._scope):  # on this thread only
            for event in events:
                self.trace(event)
        began = time.monotonic()
        self._client.flush(timeout=SEND_SECONDS)
        if time.monotonic() - began >= SEND_SECONDS:
            self._losses.append(f"no answer in {SEND_SECONDS:.0f} s")
        if self._losses:
            raise DeliveryError(f"its server did not take what was sent ({self._losses[0]}); {WAY_OUT}")

    def close(self, timeout: float) -> None:
        self._client.close(timeout=timeout)

    def open_case(self, event: CaseStarted) -> Transaction | NoOpSpan:
        transaction = self._scope.start_transaction(
            op="harness.case", name=_name(event), source="custom", origin=ORIGIN, start_timestamp=event.at
        )
        for key, value in _tags(event).items():
            transaction.set_tag(key, value)
        transaction.set_context("case", {**event.facts, **_identity(event), "trials": event.trials})
        return transaction

    def close_case(self, case: Case, ended: CaseEnded) -> None:
        case.span.set_status("internal_error" if ended.problem else "ok")
        case.span.set_context("scores", dict(ended.scores))
        case.span.finish(self._scope, end_timestamp=ended.at)

    def open_trial(self, case: Case, event: TrialStarted) -> Span:
        span = case.span.start_child(
            op="harness.trial", name=event.trial, origin=ORIGIN, start_timestamp=event.at
        )
        span.set_data("trial", event.trial)
        span.set_data("trial_attempt", event.attempt)
        return span

    def close_trial(self, trial: Trial, at: datetime, ended: TrialEnded | None) -> None:
        if ended is not None:
            # Not as gen_ai.usage: the calls' spans are counted already.
            for name in ("total_calls", "tokens_in", "tokens_out"):
                trial.span.set_data(name.removeprefix("total_"), getattr(ended.usage, name))
        failure = None if ended is None else ended.failure
        trial.span.set_status("cancelled" if ended is None else "internal_error" if failure else "ok")
        trial.span.finish(end_timestamp=at)
        self._send(trial)
        if failure is None:
            return
        case, name = trial.case.started, str(trial.span.description)
        value = failure.reason if self._content else f"{name} could not be finished ({HIDDEN})"
        self._scope.capture_event(
            {
                "level": "error",
                "timestamp": at,
                "transaction": _name(case),
                "exception": {"values": [{"type": failure.kind, "value": value}]},
                "contexts": {"trace": trial.span.get_trace_context()},
                "tags": {**_tags(case), "trial": name},
                "fingerprint": ["harness", failure.kind, _name(case)],
            }
        )

    def add_call(self, trial: Trial, event: CallEnded) -> None:
        operation = "embeddings" if event.kind == "embedding" else "chat"
        began = event.started.timestamp()
        attributes = {**self._about(trial.case), **attributes_of(event, operation, content=self._content)}
        calls = self._calls[trial.span.span_id]
        calls.append(
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
        if len(calls) >= SPANS_AT_ONCE:
            self._send(trial)

    def _about(self, case: Case) -> dict[str, Any]:
        """What the SDK adds to spans that are sent without their transaction."""
        options = self._client.options
        facts = {
            "sentry.release": options["release"],
            "sentry.environment": options["environment"],
            "sentry.segment.id": case.span.span_id,
            "sentry.segment.name": _name(case.started),
            "sentry.origin": ORIGIN,
            **_tags(case.started),
        }
        return {key: value for key, value in facts.items() if value}

    def _send(self, trial: Trial) -> None:
        """Send the trial's pending calls as an item of Sentry's span protocol, version 2."""
        from sentry_sdk.envelope import Envelope, Item, PayloadRef

        calls = self._calls.pop(trial.span.span_id, [])
        if calls and self._client.transport is not None:
            item = Item(
                PayloadRef(json={"version": 2, "items": calls}),
                type="span",
                content_type="application/vnd.sentry.items.span.v2+json",
                headers={"item_count": len(calls)},
            )
            headers = {"sent_at": datetime.now(UTC).isoformat()}
            self._client.transport.capture_envelope(Envelope(headers=headers, items=[item]))


def _name(case: CaseStarted) -> str:
    return f"{case.cell.experiment} {case.cell.group}"


def _identity(case: CaseStarted) -> dict[str, Any]:
    return {**asdict(case.cell), "attempt": case.attempt, "run_id": case.run_id}


def _tags(case: CaseStarted) -> dict[str, str]:
    return {key: str(value) for key, value in _identity(case).items()}


def attributes_of(event: CallEnded, operation: str, *, content: bool) -> dict[str, Any]:
    """A call in Sentry's and OpenTelemetry's gen_ai attributes; our own are under ``harness.``."""
    answer = event.answer
    facts: dict[str, Any] = {
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
        facts["gen_ai.response.model"] = answer.model
        facts["gen_ai.response.finish_reasons"] = [answer.finish_reason]
    if paid := event.paid_answer:
        facts["gen_ai.usage.input_tokens"] = paid.tokens_in
        facts["gen_ai.usage.output_tokens"] = paid.tokens_out
        facts["gen_ai.usage.total_tokens"] = paid.tokens_in + paid.tokens_out
    if content:
        facts["gen_ai.input.messages"] = _json([dict(one) for one in event.messages])
        facts["gen_ai.output.messages"] = answer and _json([{"role": "assistant", "content": answer.text}])
    return known(facts)


def typed(value: Any) -> dict[str, Any]:
    """An attribute as version 2 of the span protocol has it."""
    kinds: dict[type, str] = {bool: "boolean", int: "integer", float: "double", str: "string", list: "array"}
    return {"value": value, "type": kinds[type(value)]}


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _client(dsn: str, lost: Callable[[str], None]) -> Client:
    from sentry_sdk import Client
    from sentry_sdk.transport import HttpTransport

    class SentryTransport(HttpTransport):
        """Reports what it could not deliver."""

        def on_dropped_event(self, reason: str) -> None:
            lost(reason)

    return Client(
        dsn=dsn,
        transport=SentryTransport,
        integrations=[],
        default_integrations=False,
        auto_enabling_integrations=False,
        traces_sample_rate=1.0,
        enable_backpressure_handling=False,
        send_client_reports=False,
        auto_session_tracking=False,
        shutdown_timeout=0,
    )
