"""The gateway's record of a call in the observers' words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from harness.errors import ModelCallError
from harness.gateway.call_observers import CallRecord
from harness.gateway.calls import CallSite, Reply, Request
from harness.model import Cell, Trial, TrialFailure, TrialResult, Usage
from harness.runtime.event_emitter import Emitter, call_ended
from harness.telemetry import Observers
from harness.telemetry.events import Happening, TrialEnded

REQUEST = Request(({"role": "user", "content": "Hello?"},), "gpt-4o-mini", temperature=0.3)


def record(**changes: Any) -> CallRecord:
    parts: dict[str, Any] = {
        "trial": "t",
        "run_id": "run-1",
        "site": CallSite("act", "Ada", 2),
        "request": REQUEST,
        "reply": Reply("Hi.", model="gpt-4o-mini-2024-07-18", tokens_in=7, tokens_out=2, cost=0.001),
        "error": None,
        "started": 1_750_000_000.25,
        "seconds": 0.5,
        "attempt": 1,
        "replayed": False,
        "provider": "openai",
    }
    return CallRecord(**{**parts, **changes})


def test_a_call_is_told_whole():
    event = call_ended(record())
    assert event.started == datetime.fromtimestamp(1_750_000_000.25, UTC)
    assert (event.trial, event.kind, event.person, event.step, event.attempt) == ("t", "act", "Ada", 2, 1)
    assert (event.provider, event.model, event.messages) == ("openai", "gpt-4o-mini", REQUEST.messages)
    assert event.parameters == {"temperature": 0.3}
    assert event.answer is not None and event.failure is None
    assert (event.answer.model, event.answer.tokens_in, event.answer.tokens_out, event.answer.cost) == (
        "gpt-4o-mini-2024-07-18",
        7,
        2,
        0.001,
    )


def test_a_rejected_reply_has_both_and_a_failed_call_no_answer():
    rejected = call_ended(record(error=ModelCallError("it was empty")))
    assert rejected.answer is not None and rejected.failure is not None
    assert (rejected.failure.kind, rejected.failure.reason) == ("ModelCallError", "it was empty")
    assert call_ended(record(reply=None, error=ModelCallError("cut off"))).answer is None


def test_of_a_requests_extras_only_what_is_known_to_be_harmless_is_told():
    extra = {
        "top_p": 0.9,
        "tools": [{"type": "function"}],
        "extra_headers": {"Authorization": "Bearer sk-secret"},
        "api_key": "sk-secret",
        "metadata": {"token": "sk-secret"},
    }
    request = Request(
        REQUEST.messages, "m", response_format={"type": "json_object"}, max_tokens=9, extra=extra
    )
    event = call_ended(record(request=request))
    assert event.parameters == {
        "max_tokens": 9,
        "response_format": {"type": "json_object"},
        "top_p": 0.9,
        "tools": [{"type": "function"}],
    }
    assert "sk-secret" not in repr(event)


def test_of_an_embedding_the_texts_are_told_and_the_numbers_are_not():
    request = Request((), "text-embedding-3-small", extra={"input": ["one", "two"]})
    reply = Reply("[[0.1, 0.2]]", model="text-embedding-3-small")
    event = call_ended(record(request=request, reply=reply, site=CallSite("embedding")))
    assert [one["content"] for one in event.messages] == ["one", "two"]
    assert event.answer is not None and event.answer.text == ""


def test_observers_hear_of_an_iterating_run_what_its_record_says():
    heard: list[Happening] = []

    class Listening(Observers):
        def __bool__(self) -> bool:
            return True

        def handle(self, event: Happening) -> None:
            heard.append(event)

    events = [{"event": "iteration_start", "iteration": 1}]
    trial = Trial(Cell("payments", "Control", 1), 0, 0)
    emitter = Emitter(Listening(), lambda: datetime.now(UTC))
    for outcome in (
        TrialResult(trial, (), details={"events": events}),
        TrialFailure(trial, "an outage", "ModelCallError", {"events": events}),
        TrialResult(trial, ()),
    ):
        emitter.trial_ended(trial, outcome, Usage())
    assert [list(one.events) for one in heard if isinstance(one, TrialEnded)] == [events, events, []]
