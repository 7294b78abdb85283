from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.requests import SCORE, ask

from harness.errors import ConfigurationError, ModelCallError
from harness.gateway.budget import (
    COMPLETION_BOUND,
    IMAGE_TOKENS,
    Budget,
    BudgetExhaustedError,
    Spend,
    prompt_bound,
)
from harness.gateway.calls import Reply, Request


@dataclass(frozen=True)
class OurPrice:
    input_per_million: float = 1.0
    output_per_million: float = 10.0


def priced(_request: Request) -> OurPrice:
    return OurPrice()


SMALL = ask("hello", max_tokens=100)
REPLY = Reply("ok", tokens_in=20, tokens_out=10)


def test_a_settled_call_gives_back_what_it_did_not_take() -> None:
    async def main() -> None:
        budget = Budget(1.0, 10, 10**6, priced)
        reservation = await budget.reserve(SMALL)
        prompt = prompt_bound(SMALL)
        assert budget.held == Spend(1, prompt + 100, (prompt + 10 * 100) / 1e6)
        reservation.settle(REPLY)
        assert budget.held == Spend() and budget.spent == Spend(1, 30, 120 / 1e6)
        reservation.settle(REPLY)
        reservation.release(maybe_billed=True)
        assert budget.spent.calls == 1

    asyncio.run(main())


def test_the_providers_own_figure_goes_before_ours() -> None:
    async def main() -> None:
        budget = Budget(1.0, price=priced)
        (await budget.reserve(SMALL)).settle(Reply("ok", tokens_in=20, tokens_out=10, cost=0.5))
        assert budget.spent.cost == 0.5

    asyncio.run(main())


@pytest.mark.parametrize(
    ("sent", "maybe_billed", "spent"),
    [(False, False, Spend()), (True, False, Spend(1)), (True, True, None)],
)
def test_what_an_unanswered_call_costs(sent: bool, maybe_billed: bool, spent: Spend | None) -> None:
    async def main() -> None:
        budget = Budget(1.0, price=priced)
        reservation = await budget.reserve(SMALL)
        reservation.release(sent=sent, maybe_billed=maybe_billed)
        assert budget.spent == (reservation.worst if spent is None else spent) and budget.held == Spend()

    asyncio.run(main())


def test_a_reply_without_usage_counts_as_the_worst_case() -> None:
    async def main() -> None:
        budget = Budget(1.0, price=priced)
        reservation = await budget.reserve(SMALL)
        reservation.settle(Reply("ok"))
        assert budget.spent == reservation.worst

    asyncio.run(main())


def test_the_call_that_could_exceed_is_refused_and_says_why_and_how_to_go_on() -> None:
    async def main() -> str:
        budget = Budget(0.0100, price=priced)
        (await budget.reserve(SMALL)).settle(Reply("ok", tokens_in=0, tokens_out=950))
        with pytest.raises(BudgetExhaustedError) as caught:
            await budget.reserve(SMALL)
        assert caught.value.fatal and caught.value.limit == "max_cost" and budget.held == Spend()
        return str(caught.value)

    message = asyncio.run(main())
    assert "limit $0.0100; $0.0095 spent, $0.0000 held for calls in flight." in message
    assert "$0.0005 would be left; it stops early, because the next call could take up to $0.0016" in message


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_calls": 2}, "limit 2 calls; 2 calls spent, 0 calls held for calls in flight. Nothing more"),
        ({"max_tokens": 1500}, "limit 1,500 tokens; 60 tokens spent"),
    ],
)
def test_calls_and_tokens_are_limited_alike(limits: dict[str, int], expected: str) -> None:
    async def main() -> str:
        budget = Budget(**limits)  # type: ignore[arg-type]
        for _ in range(2):
            (await budget.reserve(SMALL)).settle(REPLY)
        with pytest.raises(BudgetExhaustedError) as caught:
            await budget.reserve(ask("hello", max_tokens=900))
        return str(caught.value)

    message = asyncio.run(main())
    assert expected in message
    assert ("it stops early" in message) == ("max_tokens" in limits)


def test_a_budget_below_one_call_says_so_and_does_not_advise_to_go_on_like_this() -> None:
    with pytest.raises(BudgetExhaustedError) as caught:
        asyncio.run(Budget(max_tokens=100).reserve(SMALL))
    message = str(caught.value)
    assert (
        "too small for the next call, which could take up to 6" in message
        and "limit 100 tokens; 0 tokens" in message
    )
    assert caught.value.limit == "max_tokens"


def test_what_calls_in_flight_hold_is_waited_for_not_a_reason_to_stop() -> None:
    async def main() -> None:
        budget = Budget(max_tokens=1500)
        first = await budget.reserve(SMALL)
        second = await budget.reserve(SMALL)
        third = asyncio.ensure_future(budget.reserve(SMALL))
        await asyncio.sleep(0)
        assert not third.done()
        first.settle(REPLY)
        second.settle(REPLY)
        assert (await asyncio.wait_for(third, 5)).worst.tokens > 600

    asyncio.run(main())


def test_who_waits_in_vain_is_refused() -> None:
    async def main() -> None:
        budget = Budget(max_calls=1)
        first = await budget.reserve(SMALL)
        waiting = asyncio.ensure_future(budget.reserve(SMALL))
        await asyncio.sleep(0)
        assert not waiting.done()
        first.settle(REPLY)
        with pytest.raises(BudgetExhaustedError):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(main())


def test_a_halt_ends_the_waiting() -> None:
    async def main() -> None:
        budget = Budget(max_calls=1)
        await budget.reserve(SMALL)
        waiting = asyncio.ensure_future(budget.reserve(SMALL))
        await asyncio.sleep(0)
        budget.halt()
        with pytest.raises(ModelCallError, match="the run stopped before this call was sent") as caught:
            await asyncio.wait_for(waiting, 5)
        assert not isinstance(caught.value, BudgetExhaustedError)

    asyncio.run(main())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.001, 0.05), st.integers(1, 60))
def test_whatever_happens_nothing_exceeds_the_budget(seed: int, max_cost: float, max_calls: int) -> None:
    async def main() -> None:
        budget, chance = Budget(max_cost, max_calls, 40_000, priced), random.Random(seed)

        async def caller() -> None:
            while True:
                request = ask("x" * chance.randrange(400), max_tokens=chance.randrange(1, 500))
                reservation = await budget.reserve(request)
                together = budget.spent + budget.held
                assert together.cost <= max_cost + 1e-12 and together.calls <= max_calls
                assert together.tokens <= 40_000
                await asyncio.sleep(0)
                _end(reservation, request, chance)

        outcomes = await asyncio.gather(*(caller() for _ in range(8)), return_exceptions=True)
        assert all(isinstance(each, BudgetExhaustedError) for each in outcomes), outcomes
        assert budget.held == Spend()
        assert budget.spent.cost <= max_cost + 1e-12 and budget.spent.calls <= max_calls

    asyncio.run(main())


def _end(reservation: object, request: Request, chance: random.Random) -> None:
    assert request.max_tokens is not None
    tokens_in, tokens_out = chance.randrange(1, 500), chance.randint(0, request.max_tokens)
    kind = chance.randrange(4)
    if kind == 0:
        reservation.release(sent=True)  # type: ignore[attr-defined]
    elif kind == 1:
        reservation.release(sent=True, maybe_billed=True)  # type: ignore[attr-defined]
    else:
        reservation.settle(Reply("ok", tokens_in=tokens_in, tokens_out=tokens_out))  # type: ignore[attr-defined]


def test_a_model_without_a_price_is_refused_under_a_cost_limit_only() -> None:
    with pytest.raises(
        ModelCallError, match=r"No price is known for the model 'mystery', so its cost cannot be limited"
    ) as caught:
        asyncio.run(Budget(max_cost=1.0).reserve(ask("x", model="mystery")))
    assert caught.value.fatal
    asyncio.run(Budget(max_calls=1, max_tokens=10**6).reserve(ask("x", model="mystery")))


@given(st.lists(st.text(max_size=200), min_size=1, max_size=5))
def test_a_prompt_is_never_more_tokens_than_its_bound(texts: list[str]) -> None:
    """A tokenizer's tokens are runs of bytes, so one for each byte is the most there can be."""
    request = ask(*texts, response_format=SCORE)
    assert prompt_bound(request) >= sum(len(text.encode(errors="surrogatepass")) for text in texts)


def test_tools_formats_and_images_are_held_for() -> None:
    plain = prompt_bound(ask("x"))
    tools = {"tools": [{"type": "function", "function": {"name": "look", "description": "d" * 1000}}]}
    assert prompt_bound(ask("x", extra=tools)) > plain + 1000
    assert prompt_bound(ask("x", response_format=SCORE)) > plain + 100
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    seen = Request([{"role": "user", "content": [{"type": "text", "text": "x"}, image]}])
    assert plain + IMAGE_TOKENS <= prompt_bound(seen) <= plain + IMAGE_TOKENS + 200


@pytest.mark.parametrize(("max_tokens", "held"), [(None, COMPLETION_BOUND), (7, 7), (-9, 0)])
def test_replies_are_held_for_at_their_longest(max_tokens: int | None, held: int) -> None:
    request = ask("x", max_tokens=max_tokens)
    assert Budget(max_tokens=10**6).worst_case(request).tokens == prompt_bound(request) + held


@pytest.mark.parametrize(
    "limits", [{"max_cost": 0.0}, {"max_cost": float("nan")}, {"max_calls": 0}, {"max_tokens": -1}]
)
def test_budgets_out_of_range_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(limits))}=.*expected more than 0"):
        Budget(**limits)  # type: ignore[arg-type]
