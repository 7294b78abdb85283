"""Formats numbers for readers: rounded, signed, with a dash for undefined ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.stats.results import Interval

NONE = "–"
MINUS = "\N{MINUS SIGN}"


def fixed(value: float | None, digits: int = 2) -> str:
    """
    >>> fixed(-0.456), fixed(None), fixed(-0.001)
    ('−0.46', '–', '0.00')
    """
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    return (text if float(text) else f"{0:.{digits}f}").replace("-", MINUS)


def signed(value: float | None, digits: int = 2) -> str:
    """
    >>> signed(0.5), signed(-0.001)
    ('+0.50', '0.00')
    """
    text = fixed(value, digits)
    return f"+{text}" if value is not None and value > 0 and float(text) else text


def p_value(p: float | None) -> str:
    """As journals print it, without the leading zero.

    >>> p_value(0.0154), p_value(0.0002), p_value(1.0)
    ('.015', '<.001', '1.000')
    """
    if p is None:
        return NONE
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def p_clause(p: float | None) -> str:
    """
    >>> p_clause(0.02), p_clause(0.0001)
    ('p = .020', 'p < .001')
    """
    text = p_value(p)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def span(interval: Interval | None) -> str:
    """Both ends, joined by ``to`` because they may be negative."""
    return NONE if interval is None else f"{signed(interval.low)} to {signed(interval.high)}"


def percent(level: float) -> str:
    """
    >>> percent(0.95), percent(0.983)
    ('95 %', '98.3 %')
    """
    return f"{100 * level:.1f}".removesuffix(".0") + " %"


def interval_head(intervals: Iterable[Interval | None]) -> str:
    """The head of a column of intervals, with their level: ``95 % CI``."""
    return next((f"{percent(one.level)} CI" for one in intervals if one), "CI")


def whole(value: float | None) -> str:
    """A count with separators, or degrees of freedom, which may be fractional.

    >>> whole(12345), whole(11.0), whole(17.32)
    ('12,345', '11', '17.3')
    """
    if value is None:
        return NONE
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def dollars(usage: Mapping[str, Any]) -> str:
    """The cost in a record's usage, or why it is unknown."""
    cost = usage.get("cost")
    return (
        f"unknown ({usage.get('cost_reason') or 'no reason recorded'})" if cost is None else f"${cost:,.2f}"
    )


def duration(seconds: float | None) -> str:
    """
    >>> duration(4.25), duration(75), duration(7300)
    ('4.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if hours else f"{minutes} min {rest} s"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """
    >>> counted(1, "check"), counted(3, "check")
    ('1 check', '3 checks')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
