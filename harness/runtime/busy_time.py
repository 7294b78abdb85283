"""How long trials ran, by the clock: trials that overlap count once."""

from __future__ import annotations

from collections.abc import Iterable


def busy_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """The seconds in which at least one of ``spans`` (start, seconds) was under way.

    >>> busy_seconds([(0, 3), (2, 4), (10, 1)])
    7.0
    """
    busy, until = 0.0, float("-inf")
    for start, seconds in sorted(spans):
        busy += max(0.0, start + seconds - max(start, until))
        until = max(until, start + seconds)
    return busy
