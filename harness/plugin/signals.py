"""Signals that end a session: Ctrl-C, SIGTERM and SIGHUP."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Self

from harness.errors import ExitCode
from harness.runtime.coordinator import DRAIN_SECONDS

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PAID = f"waiting up to {DRAIN_SECONDS:.0f} s for paid replies"
CLOSING = "files are being closed and the artifact written"


class Interruption:
    """Ends a session at the first signal, and the process at a second Ctrl-C. A context manager for the main thread.

    The signal handler calls ``halt``, so that nothing is sent afterwards; it must be safe there, and returns the number
    of calls in flight. ``open_batches`` says which batches stay at their providers. Then the handler raises
    ``KeyboardInterrupt``, unless ``raises`` is false or the session is ``closing``. Repeated SIGTERM and SIGHUP count
    as one Ctrl-C, because supervisors and shells send them twice. In an interactive interpreter a second Ctrl-C raises
    instead of ending the process, so that a notebook keeps its variables.

    A signal that the process was started to ignore (``nohup``, a background job) stays ignored. Exit restores the
    earlier handlers. Outside the main thread this does nothing.
    """

    def __init__(
        self, halt: Callable[[], int], open_batches: Callable[[], str] = lambda: "", *, raises: bool = True
    ) -> None:
        self.received: signal.Signals | None = None
        self.closing = False
        self._halt, self._open_batches, self._raises = halt, open_batches, raises
        self._before: dict[signal.Signals, Any] = {}
        self._stderr: int | None = None
        self._terminals: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def install(self) -> None:
        """Listen from now on. Call it in the main thread; elsewhere it does nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        with contextlib.suppress(OSError):
            self._stderr = os.dup(2)  # pytest may have another file at 2 when a signal comes
        self._terminals = [(fd, os.fstat(fd).st_rdev) for fd in (1, 2) if os.isatty(fd)]
        for number in SIGNALS:
            # None: a handler that was not installed by Python, and could not be restored
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._on_signal)

    def restore(self) -> None:
        """Put the earlier handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        if self._stderr is not None:
            os.close(self._stderr)
            self._stderr = None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if self.received is None:
            self.received = signal.Signals(number)
            batches = self._open_batches()
            in_flight = self._halt()
            if number == signal.SIGHUP:
                self._leave_dead_terminals()
            doing = CLOSING if self.closing else PAID if in_flight else "nothing is under way"
            if batches:
                doing = f"{batches}, and the same command collects {'them' if ' stay ' in batches else 'it'}"
            self._say(f"\nInterrupted: nothing more is sent; {doing}. Ctrl-C again leaves at once.\n")
            if self._raises and not self.closing:
                raise KeyboardInterrupt
        elif number == signal.SIGINT:
            if hasattr(sys, "ps1"):
                raise KeyboardInterrupt
            os._exit(int(ExitCode.INTERRUPTED))  # no clean-up: every finished trial is on disk already

    def _say(self, text: str) -> None:
        """Write without a buffer, which the interrupted code may be using."""
        if self._stderr is not None:
            with contextlib.suppress(OSError):
                os.write(self._stderr, text.encode())

    def _leave_dead_terminals(self) -> None:
        """Write to nowhere what a terminal that is gone would refuse, so that the session can still end cleanly."""
        gone = {device for fd, device in self._terminals if not os.isatty(fd)}
        if not gone:
            return
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
            with contextlib.suppress(OSError):
                status = os.fstat(fd)
                if stat.S_ISCHR(status.st_mode) and status.st_rdev in gone:
                    os.dup2(nowhere, fd)
        os.close(nowhere)
