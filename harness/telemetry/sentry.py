"""Sentry through its official SDK: a transaction per case, a span per trial, a gen_ai span per call, trials' errors.

The client is our own, with no integrations: nothing global is set up, a user's own Sentry goes on as it was, and no
call has two spans. Spans are built from events after the fact, on the observer's thread, with their parents given.
The calls' spans travel beside their transaction (the SDK's ``stream_gen_ai_spans``), because a transaction takes a
thousand spans and a case may have more calls than that.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from harness.telemetry.events import (
    CallEnded,
    CaseEnded,
    CaseStarted,
    Failure,
    Happening,
    SessionEnded,
    TrialEnded,
    TrialStarted,
)
from harness.telemetry.observers import DeliveryError

if TYPE_CHECKING:
    from sentry_sdk import Client, Scope
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.tracing import NoOpSpan, Span, Transaction

MAX_SPANS = 100_000
"""Spans kept of one case; the SDK's own limit, 1,000, is below what a case of the paper's needs."""

SPANS_PER_ENVELOPE = 1_000
"""What Sentry takes at once, as in the SDK's own batcher."""

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
    trials: dict[str, Span] = field(default_factory=dict)


class SentryObserver:
    """Sends a case when it ends. With ``content``, prompts, replies and the texts of errors too."""

    def __init__(self, environ: Mapping[str, str] = os.environ, *, content: bool = False) -> None:
        from sentry_sdk import Scope

        self._content = content
        self._losses: list[str] = []
        self._client = _client(environ["SENTRY_DSN"].strip(), self._losses.append)
        self._scope = Scope(client=self._client)
        self._cases: dict[str, _Case] = {}
        self._trials: dict[str, Span] = {}

    def handle(self, events: Sequence[Happening]) -> None:
        with _alone(self._scope):
            for event in events:
                self._note(event)
        self._raise_loss()

    def close(self, timeout: float) -> None:
        began = time.monotonic()
        self._client.flush(timeout=timeout)
        self._raise_loss()
        if time.monotonic() - began >= timeout:
            raise DeliveryError(f"its server did not answer within {timeout:.1f} s; {WAY_OUT}")
        self._client.close(timeout=0)

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
            op="harness.case",
            name=name,
            source="custom",
            origin=ORIGIN,
            start_timestamp=event.at,
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
        for trial, span in case.trials.items():
            self._trials.pop(trial, None)
            span.set_status("cancelled")
            span.finish(end_timestamp=event.at)
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
        case.trials[event.trial] = self._trials[event.trial] = span

    def _trial_ended(self, event: TrialEnded) -> None:
        case, span = self._cases.get(event.case), self._trials.pop(event.trial, None)
        if case is None or span is None:
            return
        case.trials.pop(event.trial, None)
        span.set_data("calls", event.usage.total_calls)
        span.set_data(
            "tokens_in", event.usage.tokens_in
        )  # not gen_ai.usage: the calls' spans are counted already
        span.set_data("tokens_out", event.usage.tokens_out)
        span.set_status("internal_error" if event.failure else "ok")
        span.finish(end_timestamp=event.at)
        if event.failure is not None:
            self._error(event.failure, event, span, case)

    def _error(self, failure: Failure, event: TrialEnded, span: Span, case: _Case) -> None:
        value = failure.reason if self._content else f"{event.trial} could not be finished ({HIDDEN})"
        self._scope.capture_event(
            {
                "level": "error",
                "timestamp": event.at,
                "transaction": case.name,
                "exception": {"values": [{"type": failure.kind, "value": value}]},
                "contexts": {"trace": span.get_trace_context()},
                "tags": {**case.tags, "trial": event.trial},
                "fingerprint": ["harness", failure.kind, case.name],
            }
        )

    def _call(self, event: CallEnded) -> None:
        parent = self._trials.get(event.trial)
        if parent is None:
            return
        operation = "embeddings" if event.kind == "embedding" else "chat"
        span = parent.start_child(
            op=f"gen_ai.{operation}",
            name=f"{operation} {event.model}",
            origin=ORIGIN,
            start_timestamp=event.started,
        )
        span.set_data("gen_ai.operation.name", operation)
        for key, value in self._attributes(event).items():
            span.set_data(key, value)
        span.set_status("internal_error" if event.failure else "ok")
        span.finish(end_timestamp=event.started + timedelta(seconds=event.seconds))

    def _attributes(self, event: CallEnded) -> dict[str, Any]:
        answer = event.answer
        known = {
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
        if self._content:
            known["gen_ai.input.messages"] = json.dumps([dict(one) for one in event.messages], default=str)
            known["gen_ai.output.messages"] = answer and json.dumps(
                [{"role": "assistant", "content": answer.text}]
            )
        return {key: value for key, value in known.items() if value not in (None, "")}

    def _raise_loss(self) -> None:
        if self._losses:
            raise DeliveryError(f"its server did not take what was sent ({self._losses[0]}); {WAY_OUT}")


def _client(dsn: str, lost: Callable[[str], None]) -> Client:
    from sentry_sdk import Client
    from sentry_sdk.transport import HttpTransport

    class Transport(HttpTransport):
        """Says what it could not deliver, and sends spans in portions that Sentry takes."""

        def on_dropped_event(self, reason: str) -> None:
            lost(reason)

        def capture_envelope(self, envelope: Envelope) -> None:
            for portion in portions(envelope):
                super().capture_envelope(portion)

    return Client(
        dsn=dsn,
        transport=Transport,
        integrations=[],
        default_integrations=False,
        auto_enabling_integrations=False,
        traces_sample_rate=1.0,
        stream_gen_ai_spans=True,
        enable_backpressure_handling=False,
        send_client_reports=False,
        auto_session_tracking=False,
        shutdown_timeout=0,
        _experiments={"max_spans": MAX_SPANS},
    )


def portions(envelope: Envelope, size: int = SPANS_PER_ENVELOPE) -> Iterator[Envelope]:
    """The envelope, and after it one more for each further ``size`` spans that it held."""
    from sentry_sdk.envelope import Envelope, Item, PayloadRef

    kept, further = [], []
    for item in envelope.items:
        body: Any = item.payload.json if item.headers.get("type") == "span" else None
        spans = body["items"] if body else []
        if len(spans) <= size:
            kept.append(item)
            continue
        for start in range(0, len(spans), size):
            some = spans[start : start + size]
            headers = {**item.headers, "item_count": len(some)}
            further.append(Item(PayloadRef(json={**body, "items": some}), headers=headers))
    if kept:
        yield Envelope(headers=envelope.headers, items=kept)
    for item in further:
        yield Envelope(headers=envelope.headers, items=[item])


def _alone(scope: Scope) -> Any:
    """Within it, the SDK sees our scope and client on this thread; every other thread sees what it saw before."""
    from sentry_sdk.scope import use_scope

    return use_scope(scope)
