"""Unreadable lines and files of records, collected by a command or a session.

Every reader reports its problems here. A command opens a `collected` block, prints what the block collected, and fails
if something was lost, so that no reader can forget to report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MOST_NAMED = 20
"""Problems that are printed one by one; of more, their number is."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An unreadable line or file. ``torn``: the last line, truncated by a crash or a full disk.

    ``line`` counts from 1; 0 is the whole file. ``skipped``: nothing of that line was kept.
    """

    path: Path
    line: int
    torn: bool
    text: str
    skipped: bool = True

    def __str__(self) -> str:
        if not self.line:
            return f"{self.path}: {self.text}."
        if self.torn:
            return f"{self.path}, line {self.line}: the last line is torn ({self.text}); it is skipped."
        rest = "; the line is skipped, the rest is read" if self.skipped else ""
        return f"{self.path}, line {self.line}: {self.text}{rest}."

    @property
    def where(self) -> str:
        """The same without the folder, for files that travel."""
        if not self.line:
            return self.text
        return f"line {self.line}: {'torn last line: ' if self.torn else ''}{self.text}"


class Problems:
    """Problems in the order in which they were met, each once, and whether any of them loses data of a result."""

    def __init__(self) -> None:
        self._found: dict[Problem, bool] = {}

    def add(self, problems: Iterable[Problem], *, lost: bool) -> None:
        """Keep ``problems``. ``lost``: whether data that belong to a result are missing for it."""
        for one in problems:
            self._found[one] = self._found.get(one, False) or lost

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    @property
    def lost(self) -> bool:
        """Whether something that belongs to a result could not be read."""
        return any(self._found.values())


_open: list[Problems] = []


@contextmanager
def collected() -> Iterator[Problems]:
    """Collect every problem that readers report, on any thread. Of nested blocks, the inner one collects."""
    mine = Problems()
    _open.append(mine)
    try:
        yield mine
    finally:
        _open.remove(mine)


def note(problems: Iterable[Problem], *, lost: bool) -> None:
    """Add ``problems`` to those of the open `collected` block, if there is one; see `Problems.add` for ``lost``."""
    if _open:
        _open[-1].add(problems, lost=lost)
