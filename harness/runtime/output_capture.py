"""What a trial logs or prints belongs to its case, not to the case that pytest happens to be at."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, TextIO

LIMIT = 200_000
"""Characters of printed text, and a hundredth of it log records, kept per case: a runaway loop must not fill memory."""


class CaseOutput:
    """Log records and printed text of one case, kept until its turn comes."""

    def __init__(self) -> None:
        self.records: list[logging.LogRecord] = []
        self.printed: list[str] = []
        self._size = 0

    def write(self, text: str) -> None:
        self._size += len(text)
        if self._size <= LIMIT:
            self.printed.append(text)

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.records) < LIMIT // 100:
            self.records.append(record)

    def replay(self) -> None:
        """Log and print it again, here and now, so that pytest files it under the case that is current."""
        for record in self.records:
            logging.getLogger(record.name).handle(record)
        if self.printed:
            sys.stdout.write("".join(self.printed))
        self.records, self.printed = [], []


current: ContextVar[CaseOutput | None] = ContextVar("harness_case_output", default=None)
"""The case that the running task works for; unset outside trials."""


class Collector(logging.Handler):
    """Root handler that files records under the case whose trial logged them."""

    def emit(self, record: logging.LogRecord) -> None:
        case = current.get()
        if case is not None:
            case.emit(record)


def not_from_a_trial(record: logging.LogRecord) -> bool:
    """Logging filter for handlers that serve the case that is current."""
    del record
    return current.get() is None


class Router:
    """Replaces a stream: text of a trial goes to its case, other text passes through."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        case = current.get()
        if case is None:
            return self.stream.write(text)
        case.write(text)
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


@contextlib.contextmanager
def routed(*places: tuple[Any, str]) -> Iterator[None]:
    """While active, what trials print to the streams at ``places`` (holder, attribute) is kept for their cases."""
    for holder, name in places:
        setattr(holder, name, Router(getattr(holder, name)))
    try:
        yield
    finally:
        for holder, name in places:
            stream = getattr(holder, name, None)
            if isinstance(stream, Router):
                setattr(holder, name, stream.stream)
