"""What calls are waiting for, for progress displays and messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_WAIT = 600.0
"""Seconds that a session waits because a server asks for it.

Limits per minute never ask for more, and providers that refill a daily quota bit by bit ask for minutes. A server that
asks for more means hours or tomorrow. Ending then costs nothing, because every reply is kept, and does not leave a
terminal, a CI job or a rented machine waiting.
"""

SLOW_SECONDS = 8.0
"""A reply that takes longer than this is worth a line of progress."""

_YEAR_10000 = 253402300800


@dataclass(frozen=True, slots=True)
class Wait:
    """One call before its next try: ``reason`` is its last failure, ``until`` is on the gateway's clock."""

    reason: str
    until: float
    attempt: int
    tries: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a session is waiting for, and why.

    ``seconds`` is the time until the next call; ``None`` while a reply is awaited, for ``elapsed`` seconds so far. That
    call is try ``attempt`` of ``tries``; 0 if no call has failed and only limits hold calls back. ``calls`` are those
    that wait for a reply that is slow. ``answered`` is how many calls of open batches have a result.
    """

    reason: str
    seconds: float | None = None
    attempt: int = 0
    tries: int = 0
    elapsed: float = 0.0
    calls: int = 0
    answered: int | None = None


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 05 min``, ``3 days``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    if minutes < 60 * 72:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440:,} days"


def moment(seconds: float) -> str:
    """Seconds since 1970 as ``2026-11-28 15:40 UTC``; ``the year 10000 or later`` for what has no such form."""
    if not seconds < _YEAR_10000:
        return "the year 10000 or later"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
