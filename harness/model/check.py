"""The result of a validity check: its level, number and threshold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a check went; a later level is worse."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one run. ``number`` is what was measured (``None`` with its reason in ``message``).

    ``threshold`` says in words what was expected of it. ``about`` names the metric, group or file that it is about.
    """

    name: str
    level: Level
    message: str
    number: float | None = None
    threshold: str = ""
    about: str = ""


def worst(checks: Iterable[Check]) -> Level:
    """The worst level among ``checks``; PASS for none."""
    return max((check.level for check in checks), key=tuple(Level).index, default=Level.PASS)
