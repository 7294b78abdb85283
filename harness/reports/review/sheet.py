"""The sheet as CSV for spreadsheets; nothing in it runs as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from harness.reports.review.dimensions import DIMENSIONS
from harness.reports.review.items import Act, ReviewItem
from harness.reports.spreadsheets import safe_cell

ITEM, NOTES = "item", "notes"
SHOWN = ("asked_at", "prompt", "what_is_tested", "reply", "what_was_done", "names_hidden")
COLUMNS = (ITEM, *SHOWN, *DIMENSIONS, NOTES)


def csv_sheet(items: Iterable[ReviewItem]) -> bytes:
    """A row per item, with empty scores and notes; UTF-8 with the byte order mark that spreadsheets need."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for item in items:
        shown = (item.asked_at, item.prompt, item.tests, item.reply, acts_text(item.acts), str(item.hidden))
        writer.writerow([item.id, *map(safe_cell, shown), *[""] * (len(DIMENSIONS) + 1)])
    return text.getvalue().encode("utf-8-sig")


def acts_text(acts: Sequence[Act]) -> str:
    """The actions, one per line."""
    return "\n".join(_lines(acts)) or "nothing was called"


def _lines(acts: Sequence[Act]) -> Iterator[str]:
    for number, act in enumerate(acts, start=1):
        details = "; ".join(f"{label}: {value}" for label, value in act.details)
        yield f"{number}. {act.done}" + (f" ({details})" if details else "")
