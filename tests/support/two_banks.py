"""The case that can be solved on paper: two banks, one payment each way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import raise_if_any
from harness.experiments.payments.settlement import Cost, Payment, Rates, charge

FIRST, SECOND = "BANK_A", "BANK_B"


@dataclass(frozen=True, slots=True)
class TwoBanks:
    """``BANK_A`` owes ``x`` cents at tick ``a``, ``BANK_B`` owes it ``y`` at the later tick ``b`` of ``ticks``.

    Raises `ConfigurationError` where the closed form does not hold: the ticks are not in order, or leaving a payment
    unsettled is cheaper than the liquidity for it.
    """

    x: int
    y: int
    a: int
    b: int
    ticks: int
    rates: Rates

    def __post_init__(self) -> None:
        raise_if_any(self._problems())

    def _problems(self) -> Iterable[str]:
        if not 0 <= self.a < self.b < self.ticks:
            yield f"Two banks: a={self.a}, b={self.b}, ticks={self.ticks}; expected 0 <= a < b < ticks."
        if min(self.x, self.y) < 1:
            yield f"Two banks: x={self.x}, y={self.y}; expected 1 cent or more each."
        never = self.rates.unsettled + self.rates.delay * (self.ticks - self.b)
        if self.rates.liquidity >= never:
            yield (
                f"Two banks: liquidity={self.rates.liquidity} basis points, and not to settle at all costs {never}; "
                "expected liquidity to be cheaper."
            )

    @property
    def day(self) -> tuple[Payment, ...]:
        return (Payment(self.a, FIRST, SECOND, self.x), Payment(self.b, SECOND, FIRST, self.y))

    @property
    def pays_at_once(self) -> bool:
        """Whether A does best to pay at once: liquidity for what B's payment would spare ≤ the delay till then."""
        spared = self.rates.liquidity * min(self.x, self.y)
        return spared <= self.rates.delay * self.x * (self.b - self.a)

    def optimum(self) -> dict[str, tuple[int, Cost]]:
        """Each bank's opening liquidity and its cost, in cents, where neither gains by another.

        A pays at once, from x, and B needs max(0, y − x) more than it then has; or A waits for B's payment, with
        max(0, x − y), and B needs all of y. See docs/payments.md for the proof.
        """
        if self.pays_at_once:
            return {FIRST: self._at(self.x), SECOND: self._at(max(0, self.y - self.x))}
        waiting = self.x * (self.b - self.a)
        return {FIRST: self._at(max(0, self.x - self.y), waiting), SECOND: self._at(self.y)}

    def _at(self, opening: int, queued: int = 0) -> tuple[int, Cost]:
        return opening, Cost(charge(self.rates.liquidity, opening), charge(self.rates.delay, queued), 0)
