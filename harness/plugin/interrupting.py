"""Ctrl-C while a session is being closed: once is heard, twice ends it now."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from harness.errors import ExitCode

HEARD = "\nFinishing: files are being closed and the artifact written. Ctrl-C again leaves at once."


@contextlib.contextmanager
def heard_once(*, already: bool) -> Iterator[None]:
    """While active, the first Ctrl-C is only acknowledged and the next one ends the process.

    ``already`` says that one Ctrl-C led here. Records are safe either way: each was flushed when its trial ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = already

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        del number, frame
        if heard:
            os._exit(int(ExitCode.INTERRUPTED))  # no clean-up: that is what the second Ctrl-C asks for
        heard = True
        print(HEARD, file=sys.__stderr__, flush=True)

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
