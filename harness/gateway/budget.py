"""What a session may spend: the worst case of a call is held before it is sent, and corrected by its reply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from harness.errors import (
    BudgetExhaustedError,
    ConfigurationError,
    ModelCallError,
    StoppedError,
    UnknownPriceError,
)
from harness.gateway.calls import Reply, Request
from harness.gateway.price_library import where_prices_are

COMPLETION_BOUND = 16_384
"""Tokens reserved for the reply to a request without a limit."""

REQUEST_OVERHEAD = 512
"""Tokens held beside what is sent: what a provider puts around messages and tools by itself."""

IMAGE_TOKENS = 50_000
"""Tokens held for each part of a message that is not text."""


FREE = ("rehearsal", "local")
"""Providers whose models cost nothing."""


class TokenPrice(Protocol):
    """US dollars per million tokens."""

    @property
    def input_per_million(self) -> float: ...

    @property
    def output_per_million(self) -> float: ...


class _Free:
    input_per_million = output_per_million = 0.0


@dataclass(frozen=True, slots=True)
class Spend:
    """Something spent, held or to come; ``tokens`` in and out together, ``cost`` in US dollars."""

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Spend) -> Spend:
        return Spend(self.calls + other.calls, self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Spend) -> Spend:
        return Spend(self.calls - other.calls, self.tokens - other.tokens, self.cost - other.cost)


class Budget:
    """At most ``max_cost`` US dollars, ``max_calls`` calls and ``max_tokens`` tokens in a session (``None``: no limit).

    Every attempt that is sent is a call. ``price`` is asked only where there is a ``max_cost``. A request without
    ``max_tokens`` is taken to be answered with ``completion_bound`` tokens at most. ``waiting`` counts the calls that
    wait for the reservations of others. Lives on one event loop.
    """

    def __init__(
        self,
        max_cost: float | None = None,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        price: Callable[[Request], TokenPrice | None] = lambda _request: None,
        *,
        completion_bound: int = COMPLETION_BOUND,
    ) -> None:
        self.limits: Mapping[str, float | None] = {
            "cost": max_cost,
            "calls": max_calls,
            "tokens": max_tokens,
        }
        for name, limit in self.limits.items():
            if limit is not None and not 0 < limit < float("inf"):
                raise ConfigurationError(f"max_{name}={limit}; expected more than 0, or None for no limit.")
        self.spent = Spend()
        self._price, self._bound = price, completion_bound
        self._free: set[str] = set()
        self.held = Spend()  # the worst cases of the calls in flight together
        self._in_flight: set[Reservation] = set()
        self.waiting = 0
        self._changed = asyncio.Event()
        self._halted = False

    def require_price(self, model: str, provider: str = "") -> None:
        """Raise `UnknownPriceError` where the budget is in dollars and the price of ``model`` is not known.

        Models of some providers are free from now on (`FREE`).
        """
        if provider in FREE:
            self._free.add(model)
        if self.limits["cost"] is not None and self._price_of(Request((), model)) is None:
            raise UnknownPriceError(model, where_prices_are())

    def _price_of(self, request: Request) -> TokenPrice | None:
        return _Free() if request.model in self._free else self._price(request)

    async def reserve(self, request: Request, share: float = 1.0) -> Reservation:
        """Reserve the worst case of one attempt at ``request``; settle or release the result.

        ``share`` is the part of its price that the call costs.

        If only reservations of calls in flight are in the way, this waits, because most of them are released.
        Raises `BudgetExhaustedError` if it could exceed the budget even so, and `ModelCallError` after `halt` or
        for a model without a known price under a ``max_cost``.
        """
        worst = self.worst_case(request)
        worst = replace(worst, cost=worst.cost * share)
        while self._exceeded(self.spent + self.held + worst):
            self._refuse(worst)
            self._changed.clear()
            self.waiting += 1
            try:
                await self._changed.wait()
            finally:
                self.waiting -= 1
        reservation = Reservation(self, request, worst, share)
        self._in_flight.add(reservation)
        self.held += worst
        return reservation

    def worst_case(self, request: Request) -> Spend:
        """One call, a token for each byte that is sent (no tokenizer makes more), and the longest reply allowed."""
        if self.limits["cost"] is None and self.limits["tokens"] is None:
            return Spend(calls=1)
        prompt = prompt_bound(request)
        completion = self._bound if request.max_tokens is None else max(0, request.max_tokens)
        completion = completion if request.messages else 0  # texts to embed are not answered in words
        return Spend(1, prompt + completion, self._cost(request, prompt, completion))

    def count(self, reply: Reply) -> None:
        """Count what an earlier session has reserved and this one receives."""
        self.spent += Spend(1, reply.tokens_in + reply.tokens_out, reply.cost or 0.0)

    def halt(self) -> None:
        """Raise `ModelCallError` in all waiting calls."""
        self._halted = True
        self._changed.set()

    def _book(self, reservation: Reservation, spent: Spend) -> None:
        """Give back what is held, count what was spent. The first word counts: a second one changes nothing."""
        if reservation in self._in_flight:
            self._in_flight.remove(reservation)
            self.held = self.held - reservation.worst if self._in_flight else Spend()  # no rounding adds up
            self.spent += spent
            self._changed.set()

    def _actual(self, reservation: Reservation, reply: Reply) -> Spend:
        """What a reply took. Where the provider does not say, the worst case: the budget holds all the same."""
        if not (reply.tokens_in or reply.tokens_out):
            return reservation.worst
        cost = reply.cost
        if cost is None:
            cost = self._cost(reservation.request, reply.tokens_in, reply.tokens_out) * reservation.share
        return Spend(1, reply.tokens_in + reply.tokens_out, cost)

    def _cost(self, request: Request, tokens_in: int, tokens_out: int) -> float:
        if self.limits["cost"] is None:
            return 0.0
        price = self._price_of(request)
        if price is None:
            unknown = UnknownPriceError(request.model, where_prices_are())
            raise ModelCallError(str(unknown), fatal=True) from unknown
        return (tokens_in * price.input_per_million + tokens_out * price.output_per_million) / 1e6

    def _exceeded(self, amount: Spend) -> str | None:
        """The first limit that ``amount`` is above, if any."""
        above = (
            name for name, limit in self.limits.items() if limit is not None and getattr(amount, name) > limit
        )
        return next(above, None)

    def _refuse(self, worst: Spend) -> None:
        """Raise unless waiting for the calls in flight can help."""
        if self._halted:
            raise StoppedError("the run stopped before this call was sent.")
        name = self._exceeded(self.spent + worst)
        if name is not None:
            raise BudgetExhaustedError(self._exhausted(name, worst), f"max_{name}")

    def _exhausted(self, name: str, worst: Spend) -> str:
        """What was spent, what is held, and what the limit is."""
        limit = self.limits[name]
        assert limit is not None
        spent, held, call = (getattr(amount, name) for amount in (self.spent, self.held, worst))
        figures = f"limit {_shown(name, limit)}; {_shown(name, spent)} spent, "
        figures += f"{_shown(name, held)} held for calls in flight."
        kept = "Nothing more was sent, and all replies are kept."
        if call > limit:
            most = f"which could take up to {_shown(name, call)}"
            return f"The budget of this session is too small for the next call, {most}: {figures} {kept}"
        early = f" {_shown(name, limit - spent)} would be left; it stops early, because the next call could take up to "
        early += f"{_shown(name, call)} (the worst case; most calls take far less)."
        stop = early if spent < limit else ""
        return (
            f"The budget of this session is used up: {figures}{stop} {kept} Rerun the same command to resume."
        )


class Reservation:
    """The worst case of one attempt, held until it is settled or released; after that both do nothing."""

    def __init__(self, budget: Budget, request: Request, worst: Spend, share: float = 1.0) -> None:
        self.request, self.worst, self.share = request, worst, share
        self._budget = budget

    def settle(self, reply: Reply) -> None:
        """The call was answered: count what the reply took, acceptable or not."""
        self._budget._book(self, self._budget._actual(self, reply))

    def release(self, *, sent: bool = False, maybe_billed: bool = False) -> None:
        """The call was not sent (no cost), or ``sent`` and refused by the server (a call, no tokens).

        ``maybe_billed``: sent, and the answer was lost on its way: the worst case is counted as spent.
        """
        spent = self.worst if maybe_billed else Spend(calls=int(sent))
        self._budget._book(self, spent)


def prompt_bound(request: Request) -> int:
    """The most tokens that the prompt of ``request`` can be, formats and tools included."""
    others = [part for message in request.messages for part in _others(message)]
    sent = [request.messages, request.response_format, request.extra]
    size = _size(sent)
    return size - sum(map(_size, others)) + IMAGE_TOKENS * len(others) + REQUEST_OVERHEAD


def _others(message: Mapping[str, Any]) -> Iterator[Any]:
    """The parts of a message's content that are not text."""
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict) or part.get("type") != "text":
            yield part


def _size(part: Any) -> int:
    return len(json.dumps(part, ensure_ascii=False, default=dict).encode(errors="surrogatepass"))


def _shown(name: str, value: float) -> str:
    return f"${value:.4f}" if name == "cost" else f"{value:,.0f} {name}"
