"""The sheet as CSV, which any spreadsheet opens; nothing in it is run as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from harness.reports.review.dimensions import DIMENSIONS
from harness.reports.review.items import Act, Item

ITEM, NOTES = "item", "notes"
SHOWN = ("asked_at", "prompt", "what_is_tested", "reply", "what_was_done", "names_hidden")
COLUMNS = (ITEM, *SHOWN, *DIMENSIONS, NOTES)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def csv_sheet(items: Iterable[Item]) -> bytes:
    """A row per item, scores and notes left empty. UTF-8 with a mark, which spreadsheets need to see that it is."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for item in items:
        shown = (item.asked_at, item.prompt, item.tests, item.reply, acts_text(item.acts), str(item.hidden))
        writer.writerow([item.id, *map(safe_cell, shown), *[""] * (len(DIMENSIONS) + 1)])
    return text.getvalue().encode("utf-8-sig")


def safe_cell(text: str) -> str:
    """``text`` so that a spreadsheet takes it for text: what could begin a formula is quoted.

    >>> safe_cell("=1+1"), safe_cell("plain")
    ("'=1+1", 'plain')
    """
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else text


def acts_text(acts: Sequence[Act]) -> str:
    """What was done, a line each."""
    return "\n".join(_lines(acts)) or "nothing was called"


def _lines(acts: Sequence[Act]) -> Iterator[str]:
    for number, act in enumerate(acts, start=1):
        details = "; ".join(f"{label}: {value}" for label, value in act.details)
        yield f"{number}. {act.done}" + (f" ({details})" if details else "")
