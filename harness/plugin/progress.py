"""Progress while a session runs: a live line on a terminal, an occasional plain line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Self

import pytest

from harness.console import write_line
from harness.gateway.waiting import Waiting, duration
from harness.plugin.internals import draw_below, uncaptured
from harness.runtime.coordinator import Coordinator
from harness.runtime.progress import Snapshot

PATIENCE = 0.5
"""Seconds before a terminal shows progress, so that a short session does not flicker."""
PLAIN_EVERY = 60.0
"""Seconds between plain lines."""
PLAIN_SOONEST = 5.0
"""Least seconds between plain lines when trouble begins or changes."""
TURNS = 3.0
"""Seconds before the live line switches between the counts and a trial's own note."""

WIDTH = 79
"""Columns of the live line."""
SLOW = 5.0
"""Seconds from which on the slowest open call is shown."""

_KEY = pytest.StashKey["Display"]()


def line(now: Snapshot) -> str:
    """One line of progress, at most 79 columns wide: what matters least is left out first."""
    parts = {
        "cells": f"cells {now.cells_done}/{now.cells}",
        "trials": f"trials {now.trials_done}/{now.trials}",
        "calls": f"calls {now.calls:,}",
        "tokens": f"tokens {thousands(now.tokens)}",
        "cost": _cost(now),
        "left": "" if now.seconds_left is None else f"{duration(now.seconds_left)} left",
        "slowest": f"slowest {duration(now.slowest)}" if now.slowest >= SLOW else "",
    }
    for name in ("", "cells", "tokens", "slowest"):
        parts.pop(name, None)
        text = ", ".join(filter(None, parts.values()))
        if len(text) <= WIDTH:
            break
    return text


def _cost(now: Snapshot) -> str:
    """``$0.42``, and where the end can be foreseen ``$0.42 of ~$1.70``."""
    if now.cost is None:
        return ""
    return dollars(now.cost) + ("" if now.cost_ahead is None else f" of ~{dollars(now.cost_ahead)}")


def dollars(amount: float) -> str:
    """``$0.0042``, ``$0.42``, ``$1,234``."""
    return f"${amount:.4f}" if 0 < amount < 0.1 else f"${amount:,.2f}" if amount < 1000 else f"${amount:,.0f}"


def plain_lines(now: Snapshot) -> list[str]:
    """The progress line, then what calls wait for, or a trial's note."""
    return [line(now), *([waiting_line(now.waiting)] if now.waiting else now.note.splitlines())]


def waiting_line(now: Waiting, width: int = 160) -> str:
    """``waiting: HTTP 429, Daily limit reached; try 3 of 10 in 9 min 10 s``, the reason cut to fit ``width``."""
    if now.calls:
        verb = "call has" if now.calls == 1 else "calls have"
        return f"waiting: {now.calls} {verb} waited {duration(now.elapsed)} for a reply"
    if now.seconds is None:
        end = f" for {duration(now.elapsed)}"
        end += f", {now.answered:,} answered" if now.answered is not None else ""
    else:
        when = f"in {duration(now.seconds)}" if now.seconds >= 1 else "now"
        end = f"; {f'try {now.attempt} of {now.tries}' if now.attempt else 'next call'} {when}"
    reason = " ".join("".join(sign if sign.isprintable() else " " for sign in now.reason).split()).rstrip(".")
    room = max(10, width - len("waiting: ") - len(end))
    return f"waiting: {reason if len(reason) <= room else reason[: room - 1] + '…'}{end}"


def thousands(number: int) -> str:
    """``950``, ``12k``, ``3.4M``."""
    if number < 1000:
        return str(number)
    return f"{number / 1e3:.0f}k" if number < 999_500 else f"{number / 1e6:.1f}M"


class Display:
    """Shows progress during a wait; a context manager that clears its live line afterwards."""

    def __init__(self, config: pytest.Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._quiet = config.getoption("verbose") < 0 or self._reporter is None
        self._clock = clock
        self._since = self._last_plain = clock()
        self._drawn = False
        self._awaited = self._slow = ""

    @classmethod
    def of(cls, config: pytest.Config) -> Display:
        """The session's display."""
        if _KEY not in config.stash:
            config.stash[_KEY] = cls(config)
        return config.stash[_KEY]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            draw_below(self._config, "")
            self._drawn = False

    def show(self, coordinator: Coordinator | None, *, live: bool = True) -> None:
        """Update the display with the coordinator's counts. An xdist worker shows nothing.

        Without ``live`` a terminal gets plain lines too.
        """
        if self._quiet or coordinator is None:
            return
        if live and self._config.get_terminal_writer().hasmarkup:
            if self._clock() - self._since >= PATIENCE:
                self._drawn = True
                draw_below(self._config, self._live(coordinator.progress()))
        elif self._clock() - self._last_plain >= PLAIN_SOONEST:
            now = coordinator.progress()
            waiting = now.waiting
            awaited = waiting.reason if waiting else ""
            # After the first time, slow replies appear only with the counts.
            new = bool(awaited) and awaited not in (self._awaited, self._slow)
            if new or self._clock() - self._last_plain >= PLAIN_EVERY:
                self._last_plain, self._awaited = self._clock(), awaited
                self._slow = awaited if waiting and waiting.calls else self._slow
                self._write(plain_lines(now))

    def _write(self, lines: Iterable[str]) -> None:
        with uncaptured(self._config):
            self._reporter.ensure_newline()
            for text in lines:
                write_line(self._reporter, text)
            self._reporter.flush()

    def _live(self, now: Snapshot) -> str:
        lines = plain_lines(now)
        if now.waiting is not None:
            lines[1:] = [waiting_line(now.waiting, self._config.get_terminal_writer().fullwidth - 1)]
        return lines[int((self._clock() - self._since) / TURNS) % len(lines)]
