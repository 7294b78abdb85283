"""How far a session is, and how long it has to go."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW = 20
"""Trials that the moving average of the time left looks back on."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counts at one moment. ``seconds_left`` is ``None`` until two trials have ended."""

    cells: int
    cells_done: int
    trials: int
    trials_done: int
    calls: int
    in_flight: int
    tokens: int
    seconds_left: float | None


class Pace:
    """Moving average of the time between trials' ends, over the last `WINDOW` of them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends: deque[float] = deque([clock()], maxlen=WINDOW + 1)

    def tick(self) -> None:
        """One more trial has ended."""
        self._ends.append(self._clock())

    def seconds_left(self, trials_left: int) -> float | None:
        """Seconds until ``trials_left`` more have ended at the recent pace."""
        if len(self._ends) < 3:
            return None
        return (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1) * trials_left
