"""Stop conditions of a scenario: what they ask, and whether they can be met."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

RANGES = {
    "exposure_rate": (0.0, 1.0),
    "average_sentiment": (-1.0, 1.0),
    "average_conviction": (0.0, 1.0),
    "no_state_changes_for": (0.0, float("inf")),
}
_SIGNS = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_COMPARED = re.compile(r"(\w{1,40})\s*(>=|<=|==|!=|>|<)\s*(-?\d{1,9}(?:\.\d{1,9})?)")


@dataclass(frozen=True, slots=True)
class Stop:
    """``variable`` compared with ``limit``."""

    text: str
    variable: str
    sign: str
    limit: float

    def holds(self, value: float) -> bool:
        found: bool = _SIGNS[self.sign](value, self.limit)
        return found


def stop_of(text: str) -> Stop | None:
    """The comparison in ``text``, or ``None``."""
    found = _COMPARED.fullmatch(text.strip().casefold())
    return Stop(text, found[1], found[2], float(found[3])) if found else None


def contradictions(texts: Sequence[str], steps: int) -> Iterator[str]:
    """What keeps conditions from meaning what they say, over ``steps`` timesteps; one sentence each."""
    stops = []
    for text in texts:
        stop = stop_of(text)
        if text.strip().casefold() == "convergence":
            continue
        if stop is None or stop.variable not in RANGES:
            yield f"{text[:60]!r} is not a stop condition; it never stops anything"
            continue
        stops.append(stop)
        yield from _alone(stop, steps)
    for one, other in combinations(stops, 2):
        if one.variable == other.variable and _cover(one, other):
            yield f"{one.text[:60]!r} and {other.text[:60]!r}: one of the two always holds, so it stops at once"


def _alone(stop: Stop, steps: int) -> Iterator[str]:
    low, high = RANGES[stop.variable]
    points = _points([stop], low, min(high, 1e9))
    if not any(map(stop.holds, points)):
        yield f"{stop.text[:60]!r} cannot hold: {stop.variable} goes from {low:g} to {high:g}"
    elif all(map(stop.holds, points)):
        yield f"{stop.text[:60]!r} always holds, so it stops at once"
    elif stop.variable == "exposure_rate" and stop.holds(0):
        yield f"{stop.text[:60]!r} holds before any agent has heard of the event"
    elif stop.variable == "no_state_changes_for" and not any(
        stop.holds(step) for step in range(min(steps, 10_000))
    ):
        yield f"{stop.text[:60]!r} cannot hold within {steps:,} timesteps"


def _cover(one: Stop, other: Stop) -> bool:
    low, high = RANGES[one.variable]
    alone = (all(map(stop.holds, _points([stop], low, min(high, 1e9)))) for stop in (one, other))
    if any(alone):
        return False
    return all(one.holds(point) or other.holds(point) for point in _points([one, other], low, min(high, 1e9)))


def _points(stops: Sequence[Stop], low: float, high: float) -> list[float]:
    """Values that show where conditions change: the ends, each limit, and one between any two."""
    edges = sorted({low, high, *(stop.limit for stop in stops if low <= stop.limit <= high)})
    return edges + [(one + two) / 2 for one, two in pairwise(edges)]
