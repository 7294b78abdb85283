"""Passes events to observers without letting an observer affect the run.

Each observer has a daemon thread behind a bounded queue. An observer that raises is turned off with one warning; events
that it cannot keep up with are dropped and counted; at the end all observers together get a few seconds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import Protocol

from harness.telemetry.events import Happening

WAITING = 10_000
"""Events that may wait for an observer; further ones are dropped."""

BATCH = 200
"""Events handed over at once."""

LINGER_SECONDS = 0.25
"""How long the first event of a batch waits for more."""

FLUSH_SECONDS = 3.0
"""How long the end of a session waits for all observers together. An observer that has been busy with one batch for
longer has a server that hangs, and is not waited for."""


class DeliveryError(Exception):
    """An observer's server did not take what it was sent. The text is short and holds no key and no content."""


class Observer(Protocol):
    """A destination of events. Created, used and closed on one thread; may block; is turned off when it raises."""

    def handle(self, events: Sequence[Happening]) -> None:
        """Take a batch of events, in the order in which they happened."""

    def close(self, timeout: float) -> None:
        """Send what is left, within ``timeout`` seconds. Raises `DeliveryError` if that was not possible."""


class Observers:
    """Fan-out of events to observers, which ``makers`` (name → factory) create when the first event arrives.

    ``warn`` gets at most one sentence per observer.
    """

    def __init__(
        self,
        makers: Mapping[str, Callable[[], Observer]] | None = None,
        *,
        warn: Callable[[str], None] = lambda _: None,
        waiting: int = WAITING,
        linger: float = LINGER_SECONDS,
    ) -> None:
        self._lanes = tuple(_Lane(name, make, warn, waiting, linger) for name, make in (makers or {}).items())

    def __bool__(self) -> bool:
        """Whether there are observers: without any, events need not be prepared."""
        return bool(self._lanes)

    @property
    def names(self) -> tuple[str, ...]:
        """The observers' names."""
        return tuple(lane.name for lane in self._lanes)

    def handle(self, event: Happening) -> None:
        """Queue an event for every observer. Never blocks, never raises; from any thread."""
        for lane in self._lanes:
            lane.put(event)

    def close(self, timeout: float | None = None) -> None:
        """Let every observer send what it has, all within ``timeout`` (else `FLUSH_SECONDS`) seconds. Idempotent."""
        deadline = time.monotonic() + (FLUSH_SECONDS if timeout is None else timeout)
        for lane in self._lanes:
            lane.finish(deadline)
        for lane in self._lanes:
            lane.join(deadline)


class _Lane:
    """One observer, its queue and its thread."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Observer],
        warn: Callable[[str], None],
        limit: int,
        linger: float,
    ) -> None:
        self.name = name
        self._make, self._warn, self._limit, self._linger = make, warn, limit, linger
        self._waiting: deque[Happening] = deque()
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._busy_since: float | None = None
        self._off = False
        self._left_out = 0
        self._thread: threading.Thread | None = None

    def put(self, event: Happening) -> None:
        with self._changed:
            if self._off or self._deadline is not None:
                return
            if len(self._waiting) >= self._limit:
                self._left_out += 1
                return
            self._waiting.append(event)
            if len(self._waiting) in (1, BATCH):
                self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"harness-{self.name}", daemon=True)
                # In an empty context, so that a trace which the user's code has open does not adopt this one.
                Context().run(self._thread.start)

    def finish(self, deadline: float) -> None:
        with self._changed:
            self._deadline = deadline if self._deadline is None else self._deadline
            self._changed.notify()

    def join(self, deadline: float) -> None:
        if self._thread is None:
            return
        since = self._busy_since
        patience = deadline if since is None else min(deadline, since + FLUSH_SECONDS)
        self._thread.join(max(0.0, patience - time.monotonic()))
        if self._thread.is_alive():
            self._turn_off("it did not answer in time; what it has of this session is incomplete")
        elif self._left_out:
            self._turn_off(f"it could not keep up; {self._left_out} events were left out")

    def _run(self) -> None:
        try:
            observer = self._make()
            while batch := self._take():
                self._busy_since = time.monotonic()
                observer.handle(batch)
                self._busy_since = None
            observer.close(self._seconds_left())
        except DeliveryError as error:
            self._turn_off(str(error))
        except ImportError as error:
            name = (error.name or "").replace("_", "-")
            extra = name.removesuffix("-sdk")
            self._turn_off(f"the package {name!r} is not installed: pip install 'persona-harness[{extra}]'")
        except BaseException as error:  # even SystemExit would end a thread silently
            # Only the class is reported: a vendor's message may hold a key or a prompt.
            self._turn_off(f"it failed with {type(error).__name__}")

    def _take(self) -> list[Happening]:
        """The next batch; empty when the session has ended and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._deadline is not None)
            self._changed.wait_for(
                lambda: len(self._waiting) >= BATCH or self._deadline is not None, timeout=self._linger
            )
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def _seconds_left(self) -> float:
        return max(0.0, (self._deadline or 0.0) - time.monotonic())

    def _turn_off(self, why: str) -> None:
        with self._changed:
            if self._off:
                return
            self._off = True
            self._waiting.clear()
        self._warn(f"{self.name}: {why}. The run is not affected; nothing more of this session goes there.")
