"""Numbers in plain data of unknown shape."""

from __future__ import annotations

from typing import Any


def number(data: Any, *path: str) -> float | None:
    """The number at ``path`` in nested mappings, or ``None``."""
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
    is_number = isinstance(data, int | float) and not isinstance(data, bool)
    return float(data) if is_number and data == data else None


def first(data: Any, *paths: tuple[str, ...]) -> float | None:
    """The first of ``paths`` at which there is a number."""
    return next((found for path in paths if (found := number(data, *path)) is not None), None)
