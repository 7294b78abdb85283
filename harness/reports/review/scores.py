"""Reads and checks a reviewer's file of scores, reporting every fault at once."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, HarnessError, raise_if_any
from harness.reports.review.dimensions import DIMENSIONS, SCALE
from harness.reports.review.sheet import ITEM, NOTES
from harness.text_files import decoded, parse_json, read_content

LARGEST = 50_000_000
"""The largest file of scores, in bytes: a sheet with long transcripts has a few million."""
LONGEST_NOTE = 5_000


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One unchecked row of a file of scores. ``where`` names it in messages."""

    where: str
    item: str
    scores: Mapping[str, Any]
    notes: str = ""


@dataclass(frozen=True, slots=True)
class ScoreSheet:
    """A file of scores. ``export`` and ``reviewer`` are empty if not given."""

    rows: tuple[ScoreRow, ...]
    export: str = ""
    reviewer: str = ""


@dataclass(frozen=True, slots=True)
class ReviewScore:
    """One reviewer's scores of one transcript."""

    item: str
    scores: Mapping[str, int]
    notes: str = ""


def read_scores(path: Path) -> ScoreSheet:
    """A CSV sheet with scores filled in, or the JSON that the page saves. Raises `HarnessError`."""
    content = read_content(path, f"Scores {path}", LARGEST)
    text = decoded(content, f"Scores {path}")
    return _of_json(path, content) if text.lstrip().startswith(("{", "[")) else _of_csv(path, text)


def _of_json(path: Path, written: bytes) -> ScoreSheet:
    content = parse_json(written, f"Scores {path}", expected="what the page saved")
    try:
        rows = [_row(f"{path.name}, entry {n}", one) for n, one in enumerate(content["items"], start=1)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HarnessError(
            f"{path} has no readable scores ({error!r:.100}); expected the file that the page saved."
        ) from error
    return ScoreSheet(tuple(rows), _text(content.get("export")), _text(content.get("reviewer")))


def _of_csv(path: Path, text: str) -> ScoreSheet:
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    csv.field_size_limit(LARGEST)
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise HarnessError(f"{path} is not valid CSV: {error}.") from error
    lacking = [name for name in (ITEM, *DIMENSIONS) if not rows or name not in rows[0]]
    if lacking:
        raise ConfigurationError(
            f"{path}: no column {', '.join(lacking)}; expected the exported sheet, with a row per transcript."
        )
    return ScoreSheet(
        tuple(_row(f"{path.name}, row {number}", one) for number, one in enumerate(rows, start=2))
    )


def _row(where: str, one: Mapping[str, Any]) -> ScoreRow:
    scores = {name: one.get(name) for name in DIMENSIONS}
    return ScoreRow(where, _text(one.get(ITEM)).strip(), scores, _text(one.get(NOTES))[:LONGEST_NOTE])


def checked(sent: ScoreSheet, items: Mapping[str, str], scenarios: Mapping[str, str]) -> list[ReviewScore]:
    """The scores of the scored items; items without any score are not reviewed yet.

    ``items`` maps ids to trials, ``scenarios`` trials to scenarios. Raises `ConfigurationError` with all faults.
    """
    raise_if_any(_faults(sent.rows, items, scenarios))
    return [
        ReviewScore(
            row.item, {name: number(value) or 0 for name, value in row.scores.items()}, row.notes.strip()
        )
        for row in sent.rows
        if _is_scored(row)
    ]


def _faults(
    rows: Sequence[ScoreRow], items: Mapping[str, str], scenarios: Mapping[str, str]
) -> Iterator[str]:
    asked = set(scenarios.values()) | {trial.rpartition("/")[2] for trial in scenarios}
    for item, times in Counter(row.item for row in rows).items():
        if times > 1 and item in items:
            yield f"{item}: scored in {times} rows; expected one row for each transcript."
    for row in rows:
        if row.item in asked:
            yield (
                f"{row.where}: {row.item!r:.60} is a scenario; expected an item, which is one transcript: a score "
                "belongs to one repetition."
            )
        elif row.item not in items:
            yield f"{row.where}: {row.item!r:.60} is not an item of this key; expected the sheet exported with it."
        if _is_scored(row):
            yield from _wrong_scores(row)


def _wrong_scores(row: ScoreRow) -> Iterator[str]:
    for name, value in row.scores.items():
        if _is_empty(value):
            yield f"{row.where}: {row.item:.60} has no {name}; expected {_scale()}."
        elif number(value) not in SCALE:
            yield f"{row.where}: {row.item:.60}, {name}: {value!r:.60}; expected {_scale()}."


def number(value: Any) -> int | None:
    """A whole number, also as text, or as a spreadsheet writes it (``2.0``).

    >>> number("2"), number(3.0), number("2.5"), number(True)
    (2, 3, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return int(found) if found in SCALE else None


def _scale() -> str:
    return ", ".join(map(str, SCALE))


def _is_scored(row: ScoreRow) -> bool:
    return not all(map(_is_empty, row.scores.values()))


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
