"""Declared request fields and requests that come over the gateway's HTTP server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.gateway.calls import Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.requests.model_options import CallOptions
from tests.support.lazy_modules import LazyModule

openai = LazyModule("openai")

HELLO: Any = [{"role": "user", "content": "hello"}]
DECLARED = {"top_p": 0.5, "reasoning_effort": "low", "temperature": 0.3, "max_tokens": 300}


class Echo(RehearsalProvider):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(1)
        self.seen: list[Request] = []

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.seen.append(request)
        return Reply("ok", model=self.model)


def sent(options: CallOptions, **asked: Any) -> dict[str, Any]:
    """What the model gets of a chat completion asked with a vendor's SDK."""

    async def main() -> Request:
        provider = Echo()
        gateway = Gateway(provider)
        try:
            await gateway.start_server()
            trial = gateway.open_trial("t", options=options)
            async with openai.AsyncOpenAI(
                api_key=trial.token, base_url=trial.base_url, max_retries=0
            ) as client:
                await client.chat.completions.create(model="any", messages=HELLO, **asked)
        finally:
            await gateway.aclose()
        return provider.seen[0]

    request = asyncio.run(main())
    return {"temperature": request.temperature, "max_tokens": request.max_tokens, **request.extra}


@pytest.mark.parametrize(
    ("asked", "replaced", "expected"),
    [
        ({}, (), DECLARED),
        ({"top_p": 0.9, "temperature": 1.2}, (), {**DECLARED, "top_p": 0.9, "temperature": 1.2}),
        ({"max_completion_tokens": 50}, (), {**DECLARED, "max_tokens": 50}),
        ({"top_p": 1.0, "temperature": 1.2, "max_tokens": 16000}, tuple(DECLARED), DECLARED),
    ],
)
def test_declared_fields_reach_requests_of_foreign_code(
    asked: dict[str, Any], replaced: tuple[str, ...], expected: dict[str, Any]
) -> None:
    assert sent(CallOptions({}, DECLARED, replaced=frozenset(replaced)), **asked) == expected
