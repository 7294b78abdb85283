"""The settings of the payments experiment, validated as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from harness.errors import ConfigurationError, expected_one_of, raise_if_any
from harness.experiments.payments.settlement import Payment, Rates
from harness.runner.convergence import Convergence

_LEAST: Mapping[str, int] = {
    "ticks": 1, "payments_per_day": 1, "smallest": 1, "largest": 1, "history_days": 1, "samples": 1,
    "max_iterations": 1, "tries": 1, "patience": 1, "liquidity_bps": 0, "delay_bps": 0, "unsettled_bps": 0,
    "opening_liquidity": 0, "most_liquidity": 0,
}  # fmt: skip
"""Integer settings and their minimum."""


@dataclass(frozen=True, slots=True)
class PaymentsConfig:
    """A market and how its banks' policies are improved. Money is in cents, prices are in basis points.

    The past is ``history_days`` days of ``payments_per_day`` payments of ``smallest`` to ``largest`` cents each, drawn
    from the market's seed; or the given ``days``, each a list of (tick, sender, receiver, amount). Every bank starts
    with ``opening_liquidity`` and may propose 0 to ``most_liquidity``. A proposal is tried on ``samples`` bootstrapped
    days; with ``confidence`` (0.95, say) the interval of the differences must also exclude 0. ``tries`` limits the
    calls for one proposal, ``patience`` the consecutive iterations without any.

    Raises `ConfigurationError` with every fault at once.
    """

    banks: tuple[str, ...] = ("BANK_A", "BANK_B", "BANK_C")
    ticks: int = 12
    payments_per_day: int = 24
    smallest: int = 10_000
    largest: int = 200_000
    history_days: int = 10
    days: tuple[tuple[Payment, ...], ...] = ()
    liquidity_bps: int = 60
    delay_bps: int = 12
    unsettled_bps: int = 1_000
    opening_liquidity: int = 1_000_000
    most_liquidity: int = 1_500_000
    samples: int = 10
    confidence: float | None = None
    max_iterations: int = 20
    tries: int = 3
    patience: int = 3
    convergence: Literal["stability", "bootstrap"] = "stability"
    window: int = 5
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.banks, list | tuple) and isinstance(self.days, list | tuple):
            object.__setattr__(self, "banks", tuple(self.banks))
            object.__setattr__(self, "days", tuple(_day(day) for day in self.days))
        raise_if_any(self.problems())

    @property
    def rates(self) -> Rates:
        return Rates(self.liquidity_bps, self.delay_bps, self.unsettled_bps)

    @property
    def rule(self) -> Convergence:
        """The stopping rule. Raises `ConfigurationError`."""
        return Convergence(self.convergence, self.window, self.tolerance)

    def as_settings(self) -> dict[str, Any]:
        """Plain data for an experiment's settings and its records, which `read` accepts."""
        rows = [[[one.tick, one.sender, one.receiver, one.amount] for one in day] for day in self.days]
        return {**asdict(self), "banks": list(self.banks), "days": rows}

    def problems(self) -> Iterable[str]:
        """Every fault, one sentence each."""
        yield from self._number_problems()
        yield from self._bank_problems()
        if self.confidence is not None and not (_real(self.confidence) and 0.5 <= self.confidence < 1):
            yield f"Payments: confidence={self.confidence!r}; expected a share from 0.5 to below 1, or none."
        elif self.confidence is not None and self.samples == 1:
            yield "Payments: samples=1 with a confidence; one difference has no interval; expected 2 samples or more."
        if not _real(self.tolerance):
            yield f"Payments: tolerance={self.tolerance!r}; expected a share from 0 to below 1."
            return
        try:
            _ = self.rule
        except ConfigurationError as error:
            yield from (f"Payments: {problem}" for problem in error.problems)

    def _number_problems(self) -> Iterable[str]:
        odd = False
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                odd = True
                yield f"Payments: {name}={value!r}; expected a whole number, {least} or more."
        for low, high in (("smallest", "largest"), ("opening_liquidity", "most_liquidity")):
            if not odd and getattr(self, low) > getattr(self, high):
                values = f"{low}={getattr(self, low)}, {high}={getattr(self, high)}"
                yield f"Payments: {values}; expected {low} to be the smaller."

    def _bank_problems(self) -> Iterable[str]:
        if not isinstance(self.banks, tuple) or not all(
            isinstance(bank, str) and bank for bank in self.banks
        ):
            yield f"Payments: banks={self.banks!r}; expected a list of names."
        elif len(set(self.banks)) < 2:
            yield f"Payments: {len(self.banks)} banks; expected 2 or more, who pay each other."
        elif len(set(self.banks)) < len(self.banks):
            yield f"Payments: banks={list(self.banks)}; expected each name once."
        else:
            yield from self._day_problems()

    def _day_problems(self) -> Iterable[str]:
        if not isinstance(self.days, tuple):
            yield f"Payments: days={self.days!r}; expected a list of days, each a list of payments."
            return
        for number, day in enumerate(self.days, start=1):
            if not day:
                yield f"Payments: day {number} has no payments; expected one or more."
            for payment in day:
                fault = self._fault(payment)
                if fault:
                    yield f"Payments: day {number}: {fault}"

    def _fault(self, one: Payment) -> str | None:
        if not (_whole(one.tick) and _whole(one.amount)) or one.amount < 1:
            return f"a payment has tick {one.tick!r} and amount {one.amount!r}; expected whole numbers, 1 cent or more."
        if one.sender not in self.banks or one.receiver not in self.banks or one.sender == one.receiver:
            return f"a payment goes from {one.sender!r} to {one.receiver!r}; expected two of {', '.join(self.banks)}."
        if _whole(self.ticks) and not 0 <= one.tick < self.ticks:
            return f"a payment is due at tick {one.tick}; expected 0 to {self.ticks - 1}."
        return None

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> PaymentsConfig:
        """The configuration in plain data. Raises `ConfigurationError`, also for an unknown name."""
        known = [one.name for one in fields(cls)]
        raise_if_any(
            f"Payments: unknown setting {name!r}; {expected_one_of(str(name), known)}"
            for name in settings
            if name not in known
        )
        return cls(**settings)

    @classmethod
    def load(cls, path: Path) -> PaymentsConfig:
        """The configuration in a YAML file. Raises `ConfigurationError`."""
        from harness.records.strict_yaml import read_yaml

        content = read_yaml(path, str(path))
        if content is not None and not isinstance(content, dict):
            raise ConfigurationError(f"{path}: a {type(content).__name__}; expected settings by name.")
        try:
            return cls.read(content or {})
        except ConfigurationError as error:
            raise ConfigurationError(*(f"{path}: {problem}" for problem in error.problems)) from error


def _day(rows: Any) -> tuple[Payment, ...]:
    if not isinstance(rows, list | tuple):
        raise ConfigurationError(f"Payments: a day is {rows!r:.80}; expected a list of payments.")
    return tuple(row if isinstance(row, Payment) else _payment(row) for row in rows)


def _payment(row: Any) -> Payment:
    if not isinstance(row, list | tuple) or len(row) != 4:
        raise ConfigurationError(
            f"Payments: a payment is {row!r:.80}; expected [tick, sender, receiver, amount]."
        )
    return Payment(*row)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
