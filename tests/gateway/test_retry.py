from __future__ import annotations

import asyncio
import random

import pytest
from support.endpoint import FakeEndpoint, Fault

from harness.errors import ConfigurationError, ModelCallError
from harness.gateway.calls import CallSite, Request
from harness.gateway.gateway import Gateway
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.retry import RetryPolicy

BUSY = ModelCallError("busy", retry_after=2.0)
EMPTY = ModelCallError("the reply is empty", retry_after=0.0)


class Highest(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def test_pauses_double_up_to_a_bound_above_the_servers_hint() -> None:
    policy = RetryPolicy(20, Highest(), first=1.0, longest=60.0)
    pauses = [policy.pause(BUSY, attempt) for attempt in range(9)]
    assert pauses == [3, 4, 6, 10, 18, 34, 62, 62, 62]
    assert policy.pause(ModelCallError("x", retry_after=120.0), 0) == 121


def test_jitter_is_full_and_repeats_with_its_seed() -> None:
    def pauses(seed: int) -> list[float | None]:
        policy = RetryPolicy(100, random.Random(seed))
        return [policy.pause(BUSY, 4) for _ in range(99)]

    found = pauses(1)
    assert found == pauses(1) != pauses(2)
    assert all(each is not None and 2 <= each <= 18 for each in found)
    assert min(map(float, found)) < 4 and max(map(float, found)) > 16  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (BUSY, 10),
        (EMPTY, 4),
        (ModelCallError("refused"), 1),
        (ModelCallError("no key", fatal=True), 1),
        (ModelCallError("no key", fatal=True, retry_after=1.0), 1),
    ],
)
def test_how_often_a_call_is_tried_in_all(error: ModelCallError, attempts: int) -> None:
    policy = RetryPolicy()
    given_up = next(attempt for attempt in range(100) if policy.pause(error, attempt) is None)
    assert given_up + 1 == attempts


def test_a_useless_reply_is_asked_for_again_at_once() -> None:
    assert RetryPolicy(rng=Highest()).pause(EMPTY, 2) == 0.0


@pytest.mark.parametrize("name", ["max_attempts", "max_replies"])
def test_no_attempts_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}=0; expected 1 or more"):
        RetryPolicy(**{name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        *((Fault(status), 3) for status in (408, 409, 429, 500, 502, 503, 504, 529)),
        (Fault(cut=True), 3),
        (Fault(200, body="busy"), 3),
        *((Fault(status), 1) for status in (400, 401, 403, 404, 413, 422)),
    ],
    ids=str,
)
def test_what_is_sent_again_over_http_and_what_is_not(fault: Fault, requests: int) -> None:
    """The endpoint fails twice, or for good where that is what the status means."""

    async def main(url: str) -> None:
        gateway = Gateway(OpenAICompatible("m", base_url=url, api_key="any-key", timeout=10), sleep=no_time)
        try:
            await gateway.open_trial("t").complete(
                Request([{"role": "user", "content": "x"}]), CallSite("act")
            )
        finally:
            await gateway.aclose()

    with FakeEndpoint(lambda number: fault if number < 2 else None) as endpoint:
        if requests == 1:
            with pytest.raises(ModelCallError, match=f"HTTP {fault.status}") as caught:
                asyncio.run(main(endpoint.url))
            assert caught.value.fatal == (fault.status in (401, 403, 404)), (
                "only what can but repeat ends a run"
            )
        else:
            asyncio.run(main(endpoint.url))
        assert len(endpoint.requests) == requests


def test_no_connection_and_a_time_out_are_tried_again() -> None:
    async def main(url: str) -> None:
        gateway = Gateway(OpenAICompatible("m", base_url=url, api_key="any-key", timeout=1.0), sleep=no_time)
        try:
            await gateway.open_trial("t").complete(
                Request([{"role": "user", "content": "x"}]), CallSite("act")
            )
        finally:
            await gateway.aclose()

    with FakeEndpoint(lambda number: Fault(delay=20) if number == 0 else None) as endpoint:
        asyncio.run(main(endpoint.url))
        assert len(endpoint.requests) == 2
    with pytest.raises(ModelCallError, match="no connection"):
        asyncio.run(main(endpoint.url))  # it is gone: every attempt fails, then that is said


async def no_time(_seconds: float) -> None:
    pass
