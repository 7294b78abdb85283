"""A real-time gross settlement day: payments, queues, and the cost of each bank."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

BASIS = 10_000
"""Rates are in basis points: a rate of 50 on 10,000 cents is 50 cents."""


@dataclass(frozen=True, slots=True)
class Payment:
    """``amount`` cents, due from ``sender`` to ``receiver`` at ``tick``, counted from 0."""

    tick: int
    sender: str
    receiver: str
    amount: int


Day = Sequence[Payment]
"""The payments of one day. Payments of the same tick join their senders' queues in this order."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices in basis points, per cent of opening liquidity, per cent queued for a tick, and per cent unsettled."""

    liquidity: int
    delay: int
    unsettled: int


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a day to one bank, in cents."""

    liquidity: int
    delay: int
    unsettled: int

    @property
    def total(self) -> int:
        return self.liquidity + self.delay + self.unsettled


@dataclass(frozen=True, slots=True)
class Waited:
    """Payments that a bank delayed: cents × ticks in the queue, and cents queued when the day ends."""

    queued: int
    unsettled: int


def settle(day: Day, opening: Mapping[str, int], ticks: int) -> dict[str, Waited]:
    """Simulate a day of ``ticks`` ticks from ``opening`` balances, in cents.

    A bank pays its queue first in, first out, as far as its balance allows, and can use incoming money within the
    same tick. A payment queued at the end of a tick has waited for that tick. The order of banks makes no
    difference, because a payment only raises other banks' balances.
    """
    balance = dict(opening)
    queues: dict[str, deque[Payment]] = {bank: deque() for bank in opening}
    queued = dict.fromkeys(opening, 0)
    due = _by_tick(day)
    for tick in range(ticks):
        for payment in due.get(tick, ()):
            queues[payment.sender].append(payment)
        while any(_pay(queues[bank], bank, balance) for bank in opening):
            pass
        for bank, queue in queues.items():
            queued[bank] += sum(payment.amount for payment in queue)
    return {bank: Waited(queued[bank], sum(one.amount for one in queue)) for bank, queue in queues.items()}


def _by_tick(day: Day) -> dict[int, list[Payment]]:
    due: dict[int, list[Payment]] = {}
    for payment in day:
        due.setdefault(payment.tick, []).append(payment)
    return due


def _pay(queue: deque[Payment], bank: str, balance: dict[str, int]) -> bool:
    """Pay from the front of the queue as far as the balance allows; return whether anything was paid."""
    before = len(queue)
    while queue and queue[0].amount <= balance[bank]:
        payment = queue.popleft()
        balance[bank] -= payment.amount
        balance[payment.receiver] += payment.amount
    return len(queue) < before


def charge(rate: int, cents: int) -> int:
    """``rate`` basis points of ``cents``, rounded up to a whole cent."""
    return -(-rate * cents // BASIS)


def costs(day: Day, opening: Mapping[str, int], ticks: int, rates: Rates) -> dict[str, Cost]:
    """The cost of the day to each bank. Each of the three parts is summed over the day, then rounded up once."""
    return {
        bank: Cost(
            charge(rates.liquidity, opening[bank]),
            charge(rates.delay, waited.queued),
            charge(rates.unsettled, waited.unsettled),
        )
        for bank, waited in settle(day, opening, ticks).items()
    }


def mean_cents(amounts: Iterable[int]) -> int:
    """The mean of amounts of 0 or more, rounded half up to a whole cent. Raises `ZeroDivisionError` for none."""
    each = list(amounts)
    return (2 * sum(each) + len(each)) // (2 * len(each))
