"""Personas whose prompts outgrow the model's context."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from support.clients import FakeClient, say, well_behaved
from support.plans import persona, plan

from harness.engines.embedded import EmbeddedEngine
from harness.errors import ContextOverflowError
from harness.gateway.calls import CallSite, Request
from harness.model import TrialResult


def size(request: Request) -> int:
    return sum(len(message["content"]) for message in request.messages)


def run(most: int, steps: int = 6) -> tuple[FakeClient, TrialResult]:
    """A conversation with a model whose context holds ``most`` characters of a turn's prompt."""

    def answer(request: Request, site: CallSite) -> Any:
        if site.kind != "act":
            return well_behaved(request, site)
        return ContextOverflowError("too long") if size(request) > most else say(f"{site.step} " * 400)

    client = FakeClient(answer)
    people = (persona("Ana Lima"), persona("Bo Strand"))
    return client, asyncio.run(EmbeddedEngine().run(plan(personas=people, steps=steps), client))


def test_a_memory_shrinks_until_the_prompt_fits_and_the_conversation_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        client, result = run(9_000)
    assert max(event.step for event in result.transcript if event.type == "TALK") == 7
    prompts = [request for request, site in client.calls if site.kind == "act" and site.step == 7]
    assert any("faded from your memory" in message["content"] for message in prompts[-1].messages)
    assert "longer than the model's context: the older half of the memory is forgotten" in caplog.text


def test_without_need_nothing_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    client, _ = run(1_000_000)
    assert not any(
        "faded" in message["content"] for request, _ in client.calls for message in request.messages
    )
    assert caplog.text == ""


def test_a_context_that_cannot_hold_persona_and_task_fails_the_trial() -> None:
    with pytest.raises(ContextOverflowError):
        run(100)
