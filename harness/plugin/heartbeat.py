"""A file that shows how far a session is. It says nothing about failure: only the exit code does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.gateway.waiting import duration
from harness.plugin.progress import waiting_line
from harness.plugin.state import state_of
from harness.records.atomic import write_whole
from harness.runtime.progress import Snapshot

EVERY = 5.0
"""Seconds between two beats."""
JUDGE = "An old time above means nothing by itself: a call may take minutes. Judge by the exit code alone."


def beat(
    stage: str, now: Snapshot | None, moment: datetime, cost: float | None, started: datetime, *more: str
) -> str:
    """The text of the file, with the lines ``more`` before the last one."""
    lines = [f"stage: {stage}", f"at: {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"]
    lines.append(f"running for: {duration((moment - started).total_seconds())}")
    if now is not None:
        left = "not known yet" if now.seconds_left is None else duration(now.seconds_left)
        lines += [
            f"step: {now.trials_done} of {now.trials} trials, {now.cells_done} of {now.cells} cells",
            *([f"last: {now.note}"] if now.note else []),
            *([waiting_line(now.waiting)] if now.waiting else []),
            f"calls: {now.calls} made, {now.in_flight} under way, {now.tokens} tokens",
            f"cost: {'not known' if cost is None else f'${cost:.4f}'}",
            f"time left: {left}",
        ]
    return "\n".join([*lines, *more, JUDGE]) + "\n"


class Heartbeat:
    """A plugin that writes ``path`` every ``every`` seconds of a session. ``last`` is the newest count."""

    def __init__(self, path: Path, stage: str, clock: Callable[[], datetime], every: float = EVERY) -> None:
        self.path, self.stage = path, stage
        self.last: Snapshot | None = None
        self.cost: float | None = 0.0
        self._clock, self._every, self._started = clock, every, clock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        state = state_of(session.config)

        def go_on() -> None:
            while not self._over.wait(self._every):
                self._look(state.coordinator)
                self._write("running")

        self._write("starting")
        self._thread = threading.Thread(target=go_on, name="heartbeat", daemon=True)
        self._thread.start()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> object:
        coordinator = state_of(session.config).coordinator
        try:
            return (yield)
        finally:
            self._over.set()
            if self._thread is not None:
                self._thread.join()
            self._look(coordinator)
            self._write(f"ended, exit code {int(session.exitstatus)}")

    def _look(self, coordinator: object) -> None:
        progress = getattr(coordinator, "progress", None)
        if progress is not None and getattr(coordinator, "gateway", None) is not None:
            self.last = progress()
            self.cost = getattr(coordinator.gateway, "cost", None)  # type: ignore[attr-defined]

    def _write(self, doing: str) -> None:
        try:
            write_whole(
                self.path,
                beat(f"{self.stage}, {doing}", self.last, self._clock(), self.cost, self._started).encode(),
            )
        except HarnessError:
            return  # the session continues without it
