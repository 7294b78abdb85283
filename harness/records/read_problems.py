"""Lines and files of records that could not be read, and the list of them that a command or a session keeps.

Every reader names what it could not read, here, as it meets it. Whoever runs a whole command opens a `collected` block
around it, prints what the block gathered, and fails where something was lost: so no reader has to be asked, and none
can forget.
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
    """What could not be read. ``torn``: it is the last line, cut short by a crash or a full disk.

    ``line`` counts from 1; 0 stands for the whole file. ``skipped``: nothing of that line was kept.
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
    """Gather every problem that readers meet meanwhile, on any thread. Within another block, the inner one is told."""
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
