"""What a session waits for, what it does not wait for, and how it says so; on a clock that is not real."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import FakeClock
from support.endpoint import FakeEndpoint, Fault

from harness.errors import (
    CallTimeoutError,
    ExitCode,
    LongWaitError,
    ModelCallError,
    RefusedKeyError,
    UnknownModelError,
    UnreachableError,
)
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.limits import Limits
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.rate_limit_headers import read_quotas, read_retry_after
from harness.gateway.retry import RetryPolicy
from harness.gateway.waiting import LONGEST_WAIT, SLOW_SECONDS, Waiting, duration, moment
from harness.plugin.hints import explain

SITE = CallSite("act")
REFUSED = ModelCallError("Model m at x: no connection", retry_after=1.0, first_tries=3, brief="no connection")


class Least(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return a


class Scripted:
    """Gives ``outcomes`` one by one, the last again and again."""

    name = model = "scripted"

    def __init__(
        self, *outcomes: Reply | ModelCallError, latency: Callable[[], Awaitable[None]] | None = None
    ):
        self.outcomes, self.latency, self.asked = list(outcomes), latency, 0

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.asked += 1
        if self.latency is not None:
            await self.latency()
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, ModelCallError):
            raise outcome
        return outcome

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        raise NotImplementedError

    async def aclose(self) -> None: ...


def make(clock: FakeClock, provider: Scripted, limits: Limits | None = None, **more: Any) -> Gateway:
    more = {"retry": RetryPolicy(rng=Least()), "limits": limits, "sleep": clock.sleep, **more}
    return Gateway(provider, clock=clock, wall=lambda: 0.0, **more)


def one(gateway: Gateway, text: str = "x") -> asyncio.Future[Reply]:
    request = Request([{"role": "user", "content": text}])
    return asyncio.ensure_future(gateway.open_trial(f"t-{text}").complete(request, SITE))


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_call_that_waits_for_its_next_try_says_why_which_and_when() -> None:
    async def main() -> None:
        clock = FakeClock()
        busy = ModelCallError("Model m at x: HTTP 429: busy", retry_after=540.0, brief="HTTP 429: busy")
        gateway = make(clock, Scripted(busy, busy, Reply("ok")))
        assert gateway.waiting() is None
        call = one(gateway)
        await settle()
        assert gateway.waiting() == Waiting("HTTP 429: busy", 540.0, attempt=2, tries=10)
        clock.now += 40
        assert gateway.waiting() == Waiting("HTTP 429: busy", 500.0, attempt=2, tries=10)
        await clock.run(call)
        assert gateway.waiting() is None

    asyncio.run(main())


def test_a_pause_that_a_header_asks_for_holds_back_the_next_try_too() -> None:
    async def main() -> None:
        clock = FakeClock()
        limits = Limits(clock=clock, sleep=clock.sleep, wall=clock)
        busy = ModelCallError("busy", retry_after=2.0)
        gateway = make(clock, Scripted(busy, Reply("ok")), limits)
        call = one(gateway)
        await settle()
        limits.observe({"retry-after": "300"})
        other = one(gateway, "y")
        await settle()
        waiting = gateway.waiting()
        assert waiting is not None and (waiting.reason, waiting.seconds) == ("busy", 300.0)
        await clock.run(asyncio.gather(call, other))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "rpm", "reason"),
    [
        ({"retry-after": "30"}, None, "the server asked for a pause"),
        (
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s"},
            None,
            "the server's limit, requests used up",
        ),
        ({}, 1, "the limit of 1 calls a minute"),
    ],
)
def test_a_call_that_a_limit_holds_back_says_which(
    headers: dict[str, str], rpm: int | None, reason: str
) -> None:
    async def main() -> None:
        clock = FakeClock()
        limits = Limits(rpm, clock=clock, sleep=clock.sleep, wall=clock)
        gateway = make(clock, Scripted(Reply("ok")), limits)
        await one(gateway)
        limits.observe(headers)
        call = one(gateway, "y")
        await settle()
        waiting = gateway.waiting()
        assert waiting is not None and waiting.reason == reason
        assert waiting.seconds is not None and 29 <= waiting.seconds <= 61 and waiting.attempt == 0
        await clock.run(call)

    asyncio.run(main())


def test_a_reply_that_is_long_in_coming_is_named_too() -> None:
    async def main() -> None:
        clock, gate = FakeClock(), asyncio.Event()

        async def latency() -> None:
            await gate.wait()

        gateway = make(clock, Scripted(Reply("ok"), latency=latency))
        call = one(gateway)
        await settle()
        assert gateway.waiting() is None
        clock.now += SLOW_SECONDS
        assert gateway.waiting() == Waiting("a reply", elapsed=SLOW_SECONDS, calls=1)
        gate.set()
        await call

    asyncio.run(main())


def test_a_wait_of_hours_ends_the_session_instead() -> None:
    async def main() -> None:
        clock = FakeClock()
        error = ModelCallError("HTTP 429: the day's limit", retry_after=LONGEST_WAIT + 1)
        provider = Scripted(error)
        gateway = make(clock, provider)
        outcomes = await asyncio.gather(one(gateway), one(gateway, "y"), return_exceptions=True)
        later = (await asyncio.gather(one(gateway, "z"), return_exceptions=True))[0]
        for outcome in (*outcomes, later):
            assert isinstance(outcome, LongWaitError) and outcome.fatal
            assert outcome.exit_code == ExitCode.RETRY_LATER
        assert "the day's limit. The server asks to wait 10 min 01 s, until 1970-01-01 00:10 UTC" in str(
            later
        )
        assert "rerun the same command" in str(later)
        assert clock() == 1000.0 and provider.asked == 1

    asyncio.run(main())


def test_a_wait_that_is_just_bearable_is_made() -> None:
    async def main() -> None:
        clock = FakeClock()
        gateway = make(clock, Scripted(ModelCallError("busy", retry_after=LONGEST_WAIT), Reply("ok")))
        assert (await clock.run(one(gateway))).text == "ok"
        assert clock() == 1000.0 + LONGEST_WAIT

    asyncio.run(main())


def test_an_address_where_nothing_ever_answered_is_given_up_soon() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = Scripted(REFUSED)
        gateway = make(clock, provider)
        outcomes = await clock.run(asyncio.gather(one(gateway), one(gateway, "y"), return_exceptions=True))
        for outcome in outcomes:
            assert isinstance(outcome, ModelCallError) and outcome.fatal
            assert "no connection. No call of this session was answered, so it ends after 3 tries" in str(
                outcome
            )
        assert clock() <= 1005.0 and provider.asked <= 6

    asyncio.run(main())


def test_a_server_that_is_just_starting_is_waited_for() -> None:
    async def main() -> None:
        clock = FakeClock()
        gateway = make(clock, Scripted(REFUSED, REFUSED, Reply("ok")))
        assert (await clock.run(one(gateway))).text == "ok"

    asyncio.run(main())


def test_a_server_that_has_answered_before_is_tried_as_often_as_in_any_trouble() -> None:
    async def main() -> None:
        clock = FakeClock()
        provider = Scripted(Reply("ok"), *[REFUSED] * 9, Reply("back"))
        gateway = make(clock, provider)
        await one(gateway)
        assert (await clock.run(one(gateway, "y"))).text == "back"
        assert provider.asked == 11

    asyncio.run(main())


# Over HTTP


def asked_of(url: str) -> tuple[ModelCallError, list[float]]:
    """What a call to ``url`` ends with, and the pauses made."""
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)

    async def main() -> ModelCallError:
        provider = OpenAICompatible("m", base_url=url, api_key="any-key", timeout=5)
        gateway = Gateway(provider, sleep=sleep)
        try:
            with pytest.raises(ModelCallError) as caught:
                await one(gateway)
            return caught.value
        finally:
            await gateway.aclose()

    return asyncio.run(main()), naps


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(200, body="<!DOCTYPE html><title>Sign in</title>"), "a web page, such as a login page"),
        (Fault(200, body='data: {"choices": []}\n\n'), "an event stream"),
        (Fault(405, body=""), "HTTP 405"),
        (Fault(501, body="<h1>Unsupported method</h1>"), "HTTP 501: Unsupported method"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_other_try_can_mend_ends_the_session_at_the_first(fault: Fault, said: str) -> None:
    with FakeEndpoint(lambda _: fault) as endpoint:
        error, naps = asked_of(endpoint.url)
        assert error.fatal and said in str(error) and "after the first try" in str(error)
        assert naps == [] and len(endpoint.requests) == 1


def test_tls_where_there_is_none_is_named_at_the_first_try() -> None:
    with FakeEndpoint() as endpoint:
        error, naps = asked_of(endpoint.url.replace("http://", "https://"))
    assert error.fatal and "is its address http:// instead of https://?" in str(error) and naps == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/v1", "no connection (Connection refused)"),
        ("http://x.invalid/v1", "no connection ("),
    ],
)
def test_a_session_ends_at_once_where_its_first_call_cannot_connect(url: str, said: str) -> None:
    error, naps = asked_of(url)
    assert isinstance(error, UnreachableError)
    assert error.fatal and said in str(error) and "after the first try" in str(error)
    assert "Start the server there, or name another with --model-base-url." in explain(error)
    assert naps == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(401, "Incorrect API key provided"), RefusedKeyError),
        (Fault(400, "API key not valid. Please pass a valid API key."), RefusedKeyError),
        (Fault(403, "You have no access"), RefusedKeyError),
        (Fault(404, "The model `m` does not exist"), UnknownModelError),
        (Fault(400, "Model Not Exist"), UnknownModelError),
        (Fault(400, "m is not a valid model ID"), UnknownModelError),
        (Fault(422, "model 'm' not found, try pulling it first"), UnknownModelError),
    ],
)
def test_what_every_call_would_meet_is_met_by_one_call_and_ends_the_session(
    fault: Fault, kind: type[ModelCallError]
) -> None:
    async def main(url: str) -> list[object]:
        gateway = Gateway(OpenAICompatible("m", base_url=url, api_key="any-key"))
        try:
            calls = (one(gateway, f"call {number}") for number in range(12))
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            await gateway.aclose()

    with FakeEndpoint(lambda _: fault) as endpoint:
        outcomes = asyncio.run(main(endpoint.url))
    assert {type(outcome) for outcome in outcomes} == {kind}
    assert len(endpoint.requests) == 1


def test_calls_do_not_wait_long_for_a_first_reply_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.gateway.first_calls.FIRST_ALONE", 0.05)
    others = threading.Event()

    async def before(number: int) -> None:
        if number:
            others.set()
        await asyncio.to_thread(others.wait, 20)

    async def main(url: str) -> None:
        gateway = Gateway(OpenAICompatible("m", base_url=url, api_key="any-key"))
        await asyncio.gather(one(gateway), one(gateway, "y"))
        await gateway.aclose()

    with FakeEndpoint(before=before) as endpoint:
        asyncio.run(main(endpoint.url))
        assert len(endpoint.requests) == 2


def test_all_attempts_at_a_call_together_have_a_time_limit() -> None:
    class Slow(Scripted):
        async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
            clock.now += 100
            return await super().complete(request, trial=trial, occurrence=occurrence)

    async def main() -> None:
        provider = Slow(Reply("ok"), *[ModelCallError("HTTP 500: down", retry_after=1.0)] * 9)
        gateway = make(clock, provider, longest_in_all=300.0)
        await clock.run(one(gateway))
        with pytest.raises(CallTimeoutError) as caught:
            await clock.run(one(gateway, "y"))
        assert (
            "HTTP 500: down. The 3 attempts at this call took 5 min 00 s; a call may take 5 min 00 s"
            in str(caught.value)
        )
        assert not caught.value.fatal, "the session goes on with other trials"
        assert "--call-timeout-total" in explain(caught.value)
        assert provider.asked == 4

    clock = FakeClock()
    asyncio.run(main())


# What headers ask for


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799.0),
        ("Wed, 21 Oct 1900 07:28:00 GMT", 0.0),
        ("99999999999999999999999", 99999999999999999999999.0),
        ("-5", None),
        ("-0", None),
        ("inf", None),
        ("nan", None),
        ("1e9", None),
        ("soon", None),
        ("", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 +99999999999999999999", None),
    ],
)
def test_odd_values_of_retry_after(value: str, seconds: float | None) -> None:
    assert read_retry_after({"Retry-After": value}, 0.0) == seconds


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_header_raises(one: str, other: str) -> None:
    waited = read_retry_after({"retry-after": one, "retry-after-ms": other}, 0.0)
    assert waited is None or waited >= 0
    read_quotas({"x-ratelimit-remaining": one, "x-ratelimit-reset": other}, 0.0, 0.0, 600.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (7499, "2 h 04 min"), (3600 * 71, "71 h 00 min"), (1e15, "11,574,074,074 days")],
)
def test_durations_of_any_length(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01 00:00 UTC"), (253402300799, "9999-12-31 23:59 UTC"), (1e30, "the year 10000 or later")],
)
def test_moments(seconds: float, text: str) -> None:
    assert moment(seconds) == text
