"""F07: a malformed reply is asked for again at once, and foreign code is never made to sleep or to lose a turn.

TinyTroupe sleeps between its own tries on anything but a good completion or a 400. So the gateway tries again itself,
without a pause, and gives up with a 400 and a failure that the engine raises.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import pytest
from support.endpoint import FakeEndpoint, Fault
from support.requests import SCORE

from harness.gateway.gateway import Gateway
from harness.gateway.providers.openai_compatible import OpenAICompatible

GOOD = '{"reasoning": "r", "justification": "j", "value": 7}'
BAD = ("", "I think seven.", '{"reasoning": "r", "justif', '{"value": 12}', "[" * 10_000)


async def ask_raw(url: str) -> tuple[httpx2.Response, Gateway, list[float], Exception | None]:
    """One request by a client that knows nothing of us; what it got, and the pauses that the gateway made."""
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    gateway = Gateway(OpenAICompatible("m", base_url=url, api_key="any-key", timeout=10), sleep=sleep)
    await gateway.start_server()
    client = gateway.open_trial("t")
    try:
        async with httpx2.AsyncClient(timeout=10) as http:
            answer = await http.post(
                f"{client.base_url}/chat/completions",
                headers={"authorization": f"Bearer {client.token}"},
                json={"messages": [{"role": "user", "content": "how much?"}], "response_format": SCORE},
            )
    finally:
        await gateway.aclose()
    return answer, gateway, naps, client.failure


def endpoint(content: Callable[[int], str], fault: Callable[[int], Fault | None]) -> FakeEndpoint:
    def message(_body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        return {"content": content(number)}

    return FakeEndpoint(fault, message)


@pytest.mark.parametrize("bad", BAD)
def test_a_malformed_reply_costs_one_more_call_and_no_pause(bad: str) -> None:
    with endpoint(lambda number: bad if number == 0 else GOOD, lambda _: None) as upstream:
        answer, gateway, naps, failure = asyncio.run(ask_raw(upstream.url))
    assert answer.status_code == 200
    assert json.loads(answer.json()["choices"][0]["message"]["content"])["value"] == 7
    assert (len(upstream.requests), gateway.calls, naps, failure) == (2, 2, [], None)


@pytest.mark.parametrize("bad", BAD)
def test_when_none_is_any_good_the_client_hears_it_at_once_and_the_failure_is_kept(bad: str) -> None:
    with endpoint(lambda _: bad, lambda _: None) as upstream:
        answer, _, naps, failure = asyncio.run(ask_raw(upstream.url))
    assert (answer.status_code, len(upstream.requests), naps) == (400, 4, [])
    assert "no acceptable reply in 4 attempts" in answer.json()["error"]["message"]
    assert "no acceptable reply in 4 attempts" in str(failure)


def test_a_garbled_body_is_waited_for_a_second_or_two_not_for_an_hour() -> None:
    garbled = Fault(200, body='{"id": "x", "choi')
    with endpoint(lambda _: GOOD, lambda number: garbled if number == 0 else None) as upstream:
        answer, _, naps, failure = asyncio.run(ask_raw(upstream.url))
    assert (answer.status_code, failure) == (200, None)
    assert len(naps) == 1 and naps[0] <= 2


def test_even_an_endpoint_that_never_answers_well_is_given_up_in_minutes() -> None:
    with endpoint(lambda _: GOOD, lambda _: Fault(500)) as upstream:
        answer, _, naps, failure = asyncio.run(ask_raw(upstream.url))
    assert (answer.status_code, len(upstream.requests)) == (400, 10)
    assert sum(naps) < 300 and failure is not None
