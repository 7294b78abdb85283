"""F39: the recorded model is empty, or another than the one that answered and was billed.

Here the reply names the model that answered, and that one is charged for; where it names none, the cost is None with
the reason, and nothing is put in its place.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from support.anthropic_endpoint import AnthropicEndpoint
from support.endpoint import FakeEndpoint, Fault
from support.requests import ask
from support.sessions import Lab

from harness.gateway.calls import Provider, Reply
from harness.gateway.prices import charged
from harness.gateway.providers import make_provider
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.server.chat_completions import chat_request

ENVIRON = {
    "OPENAI_API_KEY": "fake-key-1",
    "OPENROUTER_API_KEY": "fake-key-2",
    "ANTHROPIC_API_KEY": "fake-key-3",
}


def answer(provider: Provider) -> Reply:
    async def main() -> Reply:
        try:
            return await provider.complete(ask("s", "x"), trial="t", occurrence=0)
        finally:
            await provider.aclose()

    return asyncio.run(main())


def body(model: str | None) -> Fault:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    message = {"role": "assistant", "content": "hi"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return Fault(200, body=json.dumps({"id": "1", "model": model, "choices": [choice], "usage": usage}))


@pytest.mark.parametrize("maker", ["openai", "openrouter"])
def test_the_snapshot_that_answered_is_named_and_charged(maker: str) -> None:
    with FakeEndpoint(lambda _: body("gpt-4o-2024-05-13")) as endpoint:
        reply = answer(make_provider(f"{maker}:gpt-4o", seed=0, base_url=endpoint.url, environ=ENVIRON))
    assert endpoint.requests[0].body["model"] == "gpt-4o"
    assert reply.model == "gpt-4o-2024-05-13"
    if maker == "openai":  # 2.5 would be the price of the name that was asked
        assert charged(reply, "gpt-4o").cost == pytest.approx(5.0)


def test_anthropic_s_too() -> None:
    with AnthropicEndpoint() as endpoint:
        provider = make_provider("anthropic:claude-haiku-4-5", seed=0, base_url=endpoint.url, environ=ENVIRON)
        reply = answer(provider)
    assert reply.model == "claude-haiku-4-5-20251001"
    assert charged(reply, "claude-haiku-4-5").cost == pytest.approx((7 * 1 + 3 * 5) / 1e6)


@pytest.mark.parametrize("model", ["", None])
def test_a_reply_that_names_no_model_is_not_given_one(model: str | None) -> None:
    with FakeEndpoint(lambda _: body(model)) as endpoint:
        reply = answer(make_provider("openai:gpt-4o", seed=0, base_url=endpoint.url, environ=ENVIRON))
    assert reply.model == ""
    priced = charged(reply, "gpt-4o")
    assert (priced.cost, priced.cost_reason) == (None, "the reply does not name the model that answered")


def test_the_record_names_who_answered_beside_who_was_asked(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")
    rehearsal = RehearsalProvider(1)
    with FakeEndpoint(
        message=lambda body, number: {
            "content": rehearsal.answer(chat_request(body), trial="t", occurrence=number).text
        }
    ) as endpoint:
        lab.run(f"--model-base-url={endpoint.url}", model="openai:gpt-4o-mini").assert_outcomes(passed=2)
    answered = {"model": "gpt-4o-mini-2025", "fingerprint": "fp_fake"}
    reason = "no price is known for 'gpt-4o-mini-2025'; list it in a file that HARNESS_PRICES names"
    (first, *_) = lab.lines("Control", "trial_result")
    assert first["usage"]["models"] == [{**answered, "replies": 4}]
    assert (first["usage"]["cost"], first["usage"]["cost_reason"]) == (None, reason)
    metadata = lab.lines("Control", "run_metadata")[0]
    assert (metadata["model"], metadata["base_url"]) == ("gpt-4o-mini", endpoint.url)
    assert lab.meta()["usage"]["models"] == [{**answered, "replies": len(endpoint.requests)}]
    assert lab.meta()["usage"]["cost_reason"] == reason
