"""Rates as percentages: one function for prompts and people, so that 1.0 is never shown as 1.0 % (F29)."""

from __future__ import annotations


def percent(events: int, of: int, *, counts: bool = True) -> str:
    """``events`` of ``of`` as a whole per cent, with ``counts``: ``78 % (7 of 9)``; "not known" for 0 of 0.

    Only all events round to 100 %, and only none to 0 %.

    >>> percent(9, 9), percent(1, 1000)
    ('100 % (9 of 9)', '1 % (1 of 1000)')
    """
    if not 0 <= events <= of:
        raise ValueError(f"{events} of {of}; expected 0 to {of} events.")
    if of == 0:
        return "not known" + " (0 of 0)" * counts
    shown = round(100 * events / of)
    if 0 < events < of:
        shown = min(99, max(1, shown))
    return f"{shown} % ({events} of {of})" if counts else f"{shown} %"
