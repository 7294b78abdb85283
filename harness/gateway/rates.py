"""Limits per minute as users write them: one number for all calls, and one for each provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ALL = "all"
"""The name of the limit that holds for all providers together."""
EXPECTED = "a whole number from 1, or PROVIDER=N, such as openai=500"

Rate = int | Mapping[str, int] | None
"""The limit of all calls, or limits by provider's name and `ALL`; ``None``: no limit."""


def read_rate(value: Any) -> Rate:
    """The limits in a number, a mapping, a text or several texts. Raises `ValueError` with what was expected.

    >>> read_rate("500")
    500
    >>> read_rate(["openai=500", "anthropic=50,1000"])
    {'all': 1000, 'anthropic': 50, 'openai': 500}
    """
    if isinstance(value, Mapping):
        found = [(str(name), number) for name, number in value.items()]
    else:
        parts = value if isinstance(value, list | tuple) else [value]
        found = [_read(one) for part in parts for one in _split(part)]
    rates = {name: _number(number) for name, number in found}
    if len(rates) < len(found) or not rates or "" in rates:
        raise ValueError(f"{EXPECTED}, each once")
    return rates[ALL] if rates.keys() == {ALL} else dict(sorted(rates.items()))


def rate_of(rate: Rate, name: str = ALL) -> int | None:
    """The limit of a provider, or of all calls together; ``None`` without one.

    >>> rate_of({"all": 1000, "openai": 500}, "openai"), rate_of(1000, "openai"), rate_of(1000)
    (500, None, 1000)
    """
    if isinstance(rate, Mapping):
        return rate.get(name)
    return rate if name == ALL else None


def least_rate(rate: Rate, name: str) -> int | None:
    """The smaller one of the limits that a provider's calls have."""
    return min(filter(None, (rate_of(rate), rate_of(rate, name))), default=None)


def providers_in(*rates: Rate) -> Iterable[str]:
    """The providers that have their own limit."""
    return sorted({name for rate in rates if isinstance(rate, Mapping) for name in rate} - {ALL})


def _split(part: Any) -> list[Any]:
    return part.replace(",", " ").split() if isinstance(part, str) else [part]


def _read(text: Any) -> tuple[str, Any]:
    if not isinstance(text, str):
        return ALL, text
    name, sign, number = text.rpartition("=")
    return (name.strip() if sign else ALL), number


def _number(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise ValueError(EXPECTED) from None
    if isinstance(value, bool | float) or number < 1:
        raise ValueError(EXPECTED)
    return number
