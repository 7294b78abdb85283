"""Rates as agents and people read them: one function, so that 1.0 is never shown as 1.0 % (F29)."""

from __future__ import annotations


def percent(events: int, of: int, *, counts: bool = True) -> str:
    """``events`` of ``of`` as a whole per cent, with both ``counts``: ``78 % (7 of 9)``; for 0 of 0 that none is known.

    What is not all is never rounded to 100 %, and what is not none never to 0 %.

    >>> percent(9, 9), percent(1, 1000)
    ('100 % (9 of 9)', '1 % (1 of 1000)')
    """
    if not 0 <= events <= of:
        raise ValueError(f"{events} of {of} is no share.")
    if of == 0:
        return "not known" + " (0 of 0)" * counts
    shown = round(100 * events / of)
    if 0 < events < of:
        shown = min(99, max(1, shown))
    return f"{shown} % ({events} of {of})" if counts else f"{shown} %"
