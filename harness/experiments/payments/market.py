"""A market: its past days, bootstrapped days, and their costs under given policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.seeds import derived
from harness.experiments.payments.settlement import Cost, Day, Payment, costs, mean_cents

LIQUIDITY = "opening_liquidity"
"""The one number of a policy: a bank's balance at the start of a day, in cents."""

Policies = Mapping[str, Mapping[str, Any]]
"""Bank → its policy."""


class Market:
    """The past days of ``config``, or days drawn from ``seed`` if it has none, with cached costs."""

    def __init__(self, config: PaymentsConfig, seed: int) -> None:
        self.config = config
        self.days: Sequence[Day] = config.days or _drawn(config, seed)
        self._known: dict[tuple[int, ...], list[dict[str, Cost]]] = {}

    def bootstrap(self, seed: int) -> tuple[int, ...]:
        """Numbers of past days, drawn with replacement: whole days, because payments of one day are dependent."""
        return tuple(Random(seed).choices(range(len(self.days)), k=self.config.samples))

    def costs(self, policies: Policies, days: Sequence[int], bank: str) -> list[int]:
        """The total cost of each of ``days`` to ``bank``, in cents."""
        each = self._of(policies)
        return [each[day][bank].total for day in days]

    def past(self, policies: Policies, bank: str) -> Cost:
        """The mean cost of a past day to ``bank``; each part rounded half up to a cent."""
        each = [day[bank] for day in self._of(policies)]
        return Cost(*(mean_cents(getattr(one, part) for one in each) for part in Cost.__slots__))

    def _of(self, policies: Policies) -> list[dict[str, Cost]]:
        opening = {bank: policies[bank][LIQUIDITY] for bank in self.config.banks}
        key = tuple(opening.values())
        if key not in self._known:
            ticks, rates = self.config.ticks, self.config.rates
            self._known[key] = [costs(day, opening, ticks, rates) for day in self.days]
        return self._known[key]

    def flows(self, bank: str) -> tuple[int, int]:
        """The mean amounts that ``bank`` pays and receives on a past day, in cents."""
        out = [sum(one.amount for one in day if one.sender == bank) for day in self.days]
        come = [sum(one.amount for one in day if one.receiver == bank) for day in self.days]
        return mean_cents(out), mean_cents(come)


def _drawn(config: PaymentsConfig, seed: int) -> tuple[Day, ...]:
    return tuple(_day(config, Random(derived(seed, "day", number))) for number in range(config.history_days))


def _day(config: PaymentsConfig, rng: Random) -> Day:
    payments = []
    for _ in range(config.payments_per_day):
        sender, receiver = rng.sample(config.banks, 2)
        amount = rng.randint(config.smallest, config.largest)
        payments.append(Payment(rng.randrange(config.ticks), sender, receiver, amount))
    return tuple(sorted(payments, key=lambda one: one.tick))
