"""How far a session is, and how long it has to go."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.gateway.gateway import Gateway
from harness.gateway.waiting import Waiting
from harness.model import Trial

WINDOW = 20
"""Trials that the moving average of the time left looks back on."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counts of a session. ``seconds_left`` is ``None`` until two trials have ended.

    ``note`` is the last report of a running trial, after its name; ``waiting`` is what calls wait for. ``cost`` is what
    this session has spent in US dollars and ``cost_ahead`` what it will have spent at its end, at the mean of trials
    that ended; ``None`` where a price or that mean is not known. ``slowest`` is how long the oldest open call has
    waited, in seconds.
    """

    cells: int
    cells_done: int
    trials: int
    trials_done: int
    calls: int
    in_flight: int
    tokens: int
    seconds_left: float | None
    note: str = ""
    waiting: Waiting | None = None
    cost: float | None = None
    cost_ahead: float | None = None
    slowest: float = 0.0


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


def _name(case: str) -> str:
    """A case's name without the number of its attempt."""
    return case.rpartition("#")[0]


class ProgressCounter:
    """Counts cases and trials. ``cells`` are expected."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.cells = 0
        self._done: set[str] = set()
        self._planned: dict[str, int] = {}
        self._ended: set[str] = set()
        self._notes: dict[str, str] = {}
        self._pace = Pace(clock)
        self._costs: list[float | None] = []  # of the trials that ended in this session

    def entered(self, case: str, trials: int, done: Iterable[str]) -> None:
        """A case has ``trials``; those in ``done`` do not run, and do not count towards the pace."""
        self._planned[_name(case)] = trials
        self._ended.update(done)

    def case_ended(self, case: str) -> None:
        """A case was worked on to its end; one that is tried again counts once."""
        self._done.add(_name(case))

    def began(self, trial: Trial) -> None:
        """A trial starts, or starts again."""
        self._ended.discard(trial.id)

    def ended(self, trial: Trial, cost: float | None = None) -> None:
        """A try of it was written down, which cost so many US dollars (``None``: not known)."""
        self._costs.append(cost)
        self._ended.add(trial.id)
        self._notes.pop(trial.id, None)
        self._pace.tick()

    def told(self, trial: Trial, note: str) -> None:
        """A trial under way says how far it is."""
        self._notes.pop(trial.id, None)
        self._notes[trial.id] = f"{trial.cell}: {note}"

    def note(self, text: str) -> None:
        """The session itself says how far it is; nothing more, where ``text`` is empty."""
        self._notes.pop("", None)
        if text:
            self._notes[""] = text

    def snapshot(self, gateway: Gateway) -> Snapshot:
        """The counts, with the gateway's."""
        trials, done = sum(self._planned.values()), len(self._ended)
        spent = None if gateway.provider.name == "rehearsal" else gateway.cost
        return Snapshot(
            self.cells,
            len(self._done),
            trials,
            done,
            gateway.calls,
            gateway.in_flight,
            gateway.tokens_in + gateway.tokens_out,
            self._pace.seconds_left(trials - done),
            next(reversed(tuple(self._notes.values())), ""),
            gateway.waiting(),
            spent,
            self._cost_ahead(spent, trials - done),
            gateway.slowest,
        )

    def _cost_ahead(self, spent: float | None, trials_left: int) -> float | None:
        known = [cost for cost in self._costs if cost is not None]
        if spent is None or len(known) < len(self._costs) or len(known) < 2:
            return None
        return max(spent, sum(known) + sum(known) / len(known) * trials_left)
