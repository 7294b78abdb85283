"""The sliding window under many callers, on a clock that is not real."""

from __future__ import annotations

import asyncio
import bisect
import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.clock import FakeClock

from harness.errors import ConfigurationError, ModelCallError
from harness.gateway.limits import MARGIN, WINDOW, Limits
from harness.gateway.rate_limit_headers import read_quotas, read_reset, read_retry_after
from harness.gateway.waiting import LONGEST_WAIT


def make(clock: FakeClock, rpm: int | None = None, tpm: int | None = None) -> Limits:
    return Limits(rpm, tpm, clock=clock, sleep=clock.sleep, wall=clock)


def most_in_a_window(sent: Sequence[tuple[float, int]]) -> tuple[int, int]:
    """The most calls and the most tokens in any 60 s, both ends included."""
    times = [at for at, _ in sent]
    sums = [0]
    for _, tokens in sent:
        sums.append(sums[-1] + tokens)
    ends = [bisect.bisect_right(times, at + WINDOW) for at in times]
    calls = max(end - start for start, end in enumerate(ends))
    return calls, max(sums[end] - sums[start] for start, end in enumerate(ends))


async def stampede(
    clock: FakeClock, limits: Limits, callers: int, calls: int, tokens: Sequence[int], *, latency: float = 0.7
) -> list[tuple[float, int]]:
    """``callers`` at once make ``calls`` calls in all, a fifth of them twice over because they fail."""
    sent: list[tuple[float, int]] = []
    left = iter(range(calls))
    chance = random.Random(7)

    async def caller() -> None:
        for number in left:
            while True:
                permit = await limits.acquire(tokens[number % len(tokens)])
                sent.append((clock(), permit.tokens))
                await clock.sleep(latency * chance.random())
                limits.settle(permit, permit.tokens)
                if chance.random() > 0.2:
                    break

    await clock.run(asyncio.gather(*(caller() for _ in range(callers))))
    return sent


@pytest.mark.parametrize(("rpm", "tpm"), [(300, None), (None, 60_000), (300, 60_000), (600, 30_000)])
def test_no_window_exceeds_the_limits_and_they_are_used_to_95_percent(
    rpm: int | None, tpm: int | None
) -> None:
    clock = FakeClock()
    tokens = [50, 150, 400]  # 200 in the mean
    start, calls = clock(), 3000
    sent = asyncio.run(stampede(clock, make(clock, rpm, tpm), 500, calls, tokens))
    assert len(sent) > calls * 1.1  # the retries went through the limiter as well
    most_calls, most_tokens = most_in_a_window(sent)
    assert most_calls <= (rpm or 10**9) and most_tokens <= (tpm or 10**9)
    if rpm and not tpm:
        assert most_calls == rpm
    per_minute = [full_windows(sent, start, index) for index in (0, 1)]
    used = max(per_minute[0] / (rpm or 10**9), per_minute[1] / (tpm or 10**9))
    assert used >= 0.95


def full_windows(sent: Sequence[tuple[float, int]], start: float, what: int) -> float:
    """Calls (0) or tokens (1) per minute over the whole periods that the run has."""
    periods = int((sent[-1][0] - start) // (WINDOW + MARGIN))
    assert periods >= 5
    end = start + periods * (WINDOW + MARGIN)
    inside = [1 if what == 0 else tokens for at, tokens in sent if at < end]
    return sum(inside) / (end - start) * 60


def test_no_window_exceeds_a_provider_s_limit_nor_that_of_all_and_neither_waits_for_the_other_s() -> None:
    async def main() -> None:
        clock = FakeClock()
        rates = {"openai": (300, None), "anthropic": (None, 9_000)}
        limits = Limits(rpm=330, tpm=90_000, by_provider=rates, clock=clock, sleep=clock.sleep, wall=clock)
        models = {
            name: limits.of(name.partition(" ")[0]).narrowed()
            for name in ("openai 1", "openai 2", "anthropic")
        }
        sent: dict[str, list[tuple[float, int]]] = {name: [] for name in models}
        chance = random.Random(3)

        async def caller(name: str) -> None:
            for _ in range(12):
                permit = await models[name].acquire(tokens := chance.choice([50, 150, 400]))
                sent[name].append((clock(), tokens))
                await clock.sleep(chance.random())
                models[name].settle(permit, tokens)

        start = clock()
        await clock.run(asyncio.gather(*(caller(name) for name in models for _ in range(60))))
        openai = sorted(sent["openai 1"] + sent["openai 2"])
        every = sorted(openai + sent["anthropic"])
        assert 200 < most_in_a_window(openai)[0] <= 300 and most_in_a_window(sent["anthropic"])[1] <= 9_000
        calls, tokens = most_in_a_window(every)
        assert 300 < calls <= 330 and tokens <= 90_000
        assert openai[-1][0] < start + 400 < sent["anthropic"][-1][0]

    asyncio.run(main())


def test_a_pause_of_one_model_s_server_holds_up_that_model_alone_and_a_halt_everyone() -> None:
    async def main() -> None:
        clock = FakeClock()
        limits = make(clock)
        slow, other = limits.of("openai").narrowed(), limits.of("openai").narrowed()
        slow.observe({"retry-after": "30"})
        waiting = asyncio.ensure_future(slow.acquire(1))
        await other.acquire(1)
        await asyncio.sleep(0)
        assert clock() == 1000.0 and not waiting.done()
        assert limits.holding() == ("the server asked for a pause", 1030.0)
        limits.halt()
        with pytest.raises(ModelCallError):
            await waiting

    asyncio.run(main())


def test_callers_go_in_the_order_in_which_they_came_large_or_small() -> None:
    async def main() -> list[int]:
        clock = FakeClock()
        limits = make(clock, rpm=5, tpm=1000)
        order: list[int] = []

        async def caller(number: int) -> None:
            await limits.acquire(900 if number % 3 == 0 else 10)
            order.append(number)

        await clock.run(asyncio.gather(*(caller(number) for number in range(40))))
        return order

    assert asyncio.run(main()) == list(range(40))


def test_without_limits_nobody_waits() -> None:
    async def main() -> None:
        clock = FakeClock()
        limits = make(clock)
        await asyncio.wait_for(asyncio.gather(*(limits.acquire(10**9) for _ in range(1000))), 5)
        assert clock() == 1000.0

    asyncio.run(main())


def test_a_reply_that_took_less_lets_the_next_one_go_at_once() -> None:
    async def main() -> None:
        clock = FakeClock()
        limits = make(clock, tpm=1000)
        permit = await limits.acquire(900)
        waiting = asyncio.ensure_future(limits.acquire(500))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        limits.settle(permit, 100)
        await asyncio.wait_for(waiting, 5)
        assert clock() == 1000.0

    asyncio.run(main())


def test_a_reply_that_took_more_counts_in_full_and_one_from_long_ago_not_at_all() -> None:
    async def main() -> None:
        clock = FakeClock()
        limits = make(clock, tpm=1000)
        first = await limits.acquire(100)
        limits.settle(first, 800)
        await clock.run(limits.acquire(300))
        assert clock() == pytest.approx(1000 + WINDOW + MARGIN, abs=0.01)
        limits.settle(first, 5000)  # a call that took longer than the window
        await clock.run(limits.acquire(700))
        assert clock() < 1061

    asyncio.run(main())


def test_a_call_that_can_never_fit_is_refused_with_the_way_out() -> None:
    limits = make(FakeClock(), tpm=1000)
    with pytest.raises(
        ModelCallError, match=r"up to 1,001 tokens.*limit of 1,000 tokens per minute; expected a larger limit"
    ):
        asyncio.run(limits.acquire(1001))


def test_a_pause_holds_for_everyone_and_a_shorter_one_does_not_shorten_it() -> None:
    async def main() -> None:
        clock = FakeClock()
        limits = make(clock)
        limits.pause_everyone(20)
        limits.pause_everyone(5)
        times: list[float] = []

        async def caller() -> None:
            await limits.acquire(1)
            times.append(clock())

        await clock.run(asyncio.gather(*(caller() for _ in range(50))))
        assert min(times) == 1020 and max(times) == 1020
        limits.pause_everyone(10**9)
        await clock.run(limits.acquire(1))
        assert clock() == 1020 + LONGEST_WAIT

    asyncio.run(main())


def test_a_pause_that_comes_while_one_waits_holds_for_it_too() -> None:
    async def main() -> None:
        clock = FakeClock()
        limits = make(clock, rpm=1)
        await limits.acquire(1)
        waiting = asyncio.ensure_future(limits.acquire(1))
        await asyncio.sleep(0)
        limits.pause_everyone(100)
        await clock.run(waiting)
        assert clock() == 1100

    asyncio.run(main())


def test_a_caller_that_gives_up_leaves_its_place_to_the_next() -> None:
    async def main() -> None:
        clock = FakeClock()
        limits = make(clock, rpm=1)
        await limits.acquire(1)
        head, second = (asyncio.ensure_future(limits.acquire(1)) for _ in range(2))
        await asyncio.sleep(0)
        head.cancel()
        await clock.run(second)
        assert head.cancelled() and clock() == pytest.approx(1060.5, abs=0.01)

    asyncio.run(main())


def test_a_halt_ends_all_waiting() -> None:
    async def main() -> None:
        limits = make(FakeClock(), rpm=1)
        await limits.acquire(1)
        waiting = [asyncio.ensure_future(limits.acquire(1)) for _ in range(5)]
        await asyncio.sleep(0)
        limits.halt()
        for outcome in await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5):
            assert isinstance(outcome, ModelCallError) and "before this call was sent" in str(outcome)
        with pytest.raises(ModelCallError, match="stopped"):
            await limits.acquire(1)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:17:00 GMT"}, 20),  # the clock says 1000 s
        ({"retry-after": "soon"}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6m0s"}, 0),
        ({"X-RateLimit-Remaining-Tokens": "99", "X-RateLimit-Reset-Tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "100", "x-ratelimit-reset-tokens": "120ms"}, 0),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "1970-01-01T00:17:10Z",
            },
            30,
        ),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "10",
                "anthropic-ratelimit-tokens-reset": "1970-01-01T00:17:10Z",
            },
            30,
        ),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1741305600000"}, LONGEST_WAIT),
        ({"x-ratelimit-remaining-requests": "none", "x-ratelimit-reset-requests": "1s"}, 0),
        ({"x-ratelimit-remaining-requests": "0"}, 0),
    ],
)
def test_what_headers_say_holds_for_the_next_call(headers: Mapping[str, str], waited: float) -> None:
    async def main() -> float:
        clock = FakeClock()
        limits = make(clock)
        limits.observe(headers)
        await clock.run(limits.acquire(100))
        return clock() - 1000

    assert asyncio.run(main()) == pytest.approx(waited, abs=0.01)


def test_what_remains_is_counted_down_and_replaced_by_later_headers() -> None:
    async def main() -> None:
        clock = FakeClock()
        limits = make(clock)
        stated = {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "30s"}
        limits.observe(stated)
        for _ in range(3):
            await clock.run(limits.acquire(1))
        assert clock() == 1000
        waiting = asyncio.ensure_future(clock.run(limits.acquire(1)))
        limits.observe({**stated, "x-ratelimit-remaining-requests": "1"})
        await waiting
        assert clock() == 1000
        await clock.run(limits.acquire(1))
        assert clock() == 1030

    asyncio.run(main())


_HEADERS = st.text(max_size=40) | st.from_regex(r"\A[0-9]{1,12}(ms|s|m)?\Z")


@settings(max_examples=300, deadline=None)
@given(_HEADERS, _HEADERS)
@example("5", "30s")
@example("", "0\x1f")
@example("٣", "1٣s")
def test_no_header_makes_trouble(remaining: str, reset: str) -> None:
    headers = {"x-ratelimit-remaining-requests": remaining, "x-ratelimit-reset-requests": reset}
    for quota in read_quotas(headers, 0, 1000, 600).values():
        assert quota.remaining >= 0 and 0 <= quota.until <= 600
    after = read_retry_after({"retry-after": remaining, "retry-after-ms": reset}, 1000)
    assert after is None or after >= 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("1h2m3.5s", 3723.5), ("20ms", 0.02), ("7.66s", 7.66), ("30", 30), ("2000", 2000),
     ("1741305660", 60), ("1741305660000", 60), ("2025-03-07T00:01:00+00:00", 60), ("2025-03-06T00:00:00Z", 0),
     ("", None), ("h", None), ("1x", None), ("-1s", None)],
)  # fmt: skip
def test_resets_in_every_form(text: str, seconds: float | None) -> None:
    found = read_reset(text, wall=1741305600)
    assert found is None if seconds is None else found == pytest.approx(seconds)


def test_limits_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"rpm=0; expected 1 or more"):
        Limits(rpm=0)
    with pytest.raises(ConfigurationError, match=r"tpm=-5"):
        Limits(tpm=-5)
