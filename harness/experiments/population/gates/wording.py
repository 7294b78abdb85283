"""Words of a check: text out of files made harmless, and shares that name what they are shares of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.console import on_one_line

LONGEST = 60
"""Characters of a file's text that a message repeats."""
NAMED = 5
"""The most items that a message lists; it counts the rest."""


def shown(value: Any) -> str:
    """``value`` in quotes if it is text, short, and without signs that a terminal would obey."""
    text = value if isinstance(value, str) else str(value)[: LONGEST + 1]
    clean = on_one_line(text[: LONGEST + 1])
    short = clean if len(clean) <= LONGEST else f"{clean[: LONGEST - 1]}…"
    return f"'{short}'" if isinstance(value, str) else short


def listed(values: Iterable[Any]) -> str:
    """The first few, and how many more."""
    every = list(values)
    more = f" and {len(every) - NAMED:,} more" if len(every) > NAMED else ""
    return ", ".join(map(shown, every[:NAMED])) + more


def share(part: float, whole: int, of: str) -> str:
    """``12 of 1,000 agents (1.2 %)``; without a percentage if ``whole`` is 0."""
    percent = f" ({100 * part / whole:.1f} %)" if whole else ""
    return f"{part:,.0f} of {whole:,} {of}{percent}"
