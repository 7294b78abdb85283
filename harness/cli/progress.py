"""What a command is doing, on standard error, once it has taken a while."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Self

from harness.console import echo, on_one_line

QUIET = 2.0
"""Seconds without a line: at the start, and between two stages."""
REPEATED = 10.0
"""Seconds after which an unchanged stage is shown again."""


def _on_terminal(text: str) -> None:
    if sys.stderr.isatty():
        echo(text, err=True)


class StageProgress:
    """Names the stage of a command's work; call it with each stage.

    A command that ends within `QUIET` seconds prints nothing, and neither does one whose standard error is not a
    terminal, so that logs stay the same from run to run. A thread prints, so that a long stage is shown while it lasts.

    >>> with StageProgress() as progress:
    ...     progress("trust: reading records")
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        write: Callable[[str], object] | None = None,
    ) -> None:
        self._clock, self._write = clock, write or _on_terminal
        self._began = self._said_at = clock()
        self._stage = self._said = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __call__(self, stage: str) -> None:
        self._stage = stage

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def show(self) -> None:
        """Print the stage, if it is time to."""
        now = self._clock()
        due = QUIET if self._stage != self._said else REPEATED
        if self._stage and now - self._said_at >= due:
            self._write(f"{on_one_line(self._stage)} ({now - self._began:.0f} s)")
            self._said, self._said_at = self._stage, now

    def _watch(self) -> None:
        while not self._ended.wait(QUIET / 4):
            self.show()
