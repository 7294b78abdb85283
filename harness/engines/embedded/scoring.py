"""Reads scores and verdicts from replies."""

from __future__ import annotations

from typing import Any

from harness.engines.embedded.model_requests import Unusable
from harness.engines.embedded.transcript import clean
from harness.model import MAX_SCORE, MIN_SCORE

MAX_JUSTIFICATION = 2_000
"""The most characters kept of a justification."""


def read_score(data: Any) -> tuple[int, str]:
    """The whole number 0 to 9 and its justification.

    Raises `Unusable` for anything else: nothing is rounded or guessed.
    """
    value = data.get("value") if isinstance(data, dict) else None
    whole = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and value in range(MIN_SCORE, MAX_SCORE + 1)
    )
    if not whole or value is None:
        raise Unusable(
            f"The score is {repr(value)[:80]}; expected a whole number {MIN_SCORE} to {MAX_SCORE}."
        )
    return int(value), justification(data)


def read_verdict(data: Any) -> tuple[bool, str]:
    """Yes or no, and its justification. Raises `Unusable` for anything else."""
    value = data.get("value") if isinstance(data, dict) else None
    if not isinstance(value, bool):
        raise Unusable(f"The verdict is {repr(value)[:80]}; expected true or false.")
    return value, justification(data)


def justification(data: Any) -> str:
    return clean(data.get("justification"), MAX_JUSTIFICATION)
