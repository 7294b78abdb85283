"""What is held for a call under a limit of tokens per minute: the limit holds, and is used."""

from __future__ import annotations

import asyncio
import random

import pytest
from support.clock import FakeClock
from support.requests import ask

from harness.errors import ModelCallError
from harness.gateway.budget import COMPLETION_BOUND, prompt_bound
from harness.gateway.calls import Reply, Request
from harness.gateway.forecast import ENOUGH, EXPECTED_REPLY, Forecast
from harness.gateway.limits import MARGIN, WINDOW, Limits
from harness.gateway.sender import Sender

pytestmark = pytest.mark.slow

LONG = ask("x" * 6000)


def taught(replies: int, tpm: int = 100_000) -> Forecast:
    """A forecast that has seen replies of 300 tokens to prompts of a token per four bytes."""
    forecast = Forecast(tpm)
    for _ in range(replies):
        forecast.learn(LONG, Reply("ok", tokens_in=prompt_bound(LONG) // 4, tokens_out=300))
    return forecast


def test_a_bound_first_then_a_guess_then_what_was_seen() -> None:
    size = prompt_bound(LONG)
    assert taught(0).tokens(LONG) == size + COMPLETION_BOUND
    assert taught(1).tokens(LONG) == size // 3 + EXPECTED_REPLY
    assert taught(ENOUGH).tokens(LONG) == pytest.approx(size / 4 + 300, abs=2)


def test_a_surprise_is_forecast_from_then_on() -> None:
    forecast = taught(ENOUGH)
    forecast.learn(LONG, Reply("ok", tokens_in=prompt_bound(LONG) // 2, tokens_out=5000))
    assert forecast.tokens(LONG) == pytest.approx(prompt_bound(LONG) / 2 + 5000, abs=2)


def test_a_stated_limit_bounds_the_reply_and_embeddings_have_none() -> None:
    short = ask("x" * 6000, max_tokens=100)
    for replies in (0, ENOUGH):
        unlimited, limited = (taught(replies).tokens(request) for request in (LONG, short))
        assert unlimited - limited == (COMPLETION_BOUND if replies == 0 else 300) - 100
    texts = Request((), "embed", extra={"input": ["x" * 600]})
    assert taught(0).tokens(texts) == prompt_bound(texts)
    taught(0).learn(texts, Reply("[]", tokens_in=9))


def test_a_provider_that_does_not_say_what_a_call_took_teaches_nothing() -> None:
    forecast = taught(0)
    forecast.learn(LONG, Reply("ok"))
    assert forecast.tokens(LONG) == taught(0).tokens(LONG)


def test_no_bound_keeps_a_call_from_being_sent_that_may_well_fit() -> None:
    assert taught(0, tpm=5000).tokens(LONG) == 5000
    with pytest.raises(ModelCallError, match="can never be sent with a limit of 3,000"):
        asyncio.run(Limits(None, 3000).acquire(taught(0, tpm=3000).tokens(LONG)))


@pytest.mark.parametrize(
    ("tpm", "bytes_per_token", "replies", "least"),
    [
        (200_000, 4.2, (50, 450), 0.92),
        (200_000, 2.0, (200, 5000), 0.90),
        (1_000_000, 4.2, (50, 450), 0.95),
        (1_000_000, 2.0, (200, 5000), 0.95),
    ],
)
def test_no_window_exceeds_the_limit_whatever_replies_take(
    tpm: int, bytes_per_token: float, replies: tuple[int, int], least: float
) -> None:
    clock, rng = FakeClock(), random.Random(1)
    limits = Limits(None, tpm, clock=clock, sleep=clock.sleep, wall=clock)
    sent: list[tuple[float, int]] = []

    async def call(sender: Sender) -> None:
        size, written = rng.randint(4000, 12_000), rng.randint(*replies)
        read = int(size / bytes_per_token * rng.uniform(0.9, 1.1))
        async with sender.turn(ask("x" * size), "act") as turn:
            sent.append((clock(), read + written))
            await clock.sleep(rng.uniform(1.5, 4.5))
            turn.reply = Reply("ok", tokens_in=read, tokens_out=written)

    async def main() -> None:
        sender = Sender(concurrency=100, limits=limits)
        calls = int(6 * tpm / (8000 / bytes_per_token + sum(replies) / 2))
        await clock.run(asyncio.gather(*(call(sender) for _ in range(calls))))

    start = clock()
    asyncio.run(main())
    assert max(taken(sent, at, at + WINDOW) for at, _ in sent) <= tpm
    periods = int((sent[-1][0] - start) // (WINDOW + MARGIN))
    whole = periods * (WINDOW + MARGIN)
    assert periods >= 5
    assert taken(sent, start, start + whole) / whole * 60 >= least * tpm


def taken(sent: list[tuple[float, int]], start: float, end: float) -> int:
    """Tokens of the calls sent between the two, both included."""
    return sum(tokens for at, tokens in sent if start <= at <= end)
