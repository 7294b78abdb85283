"""Headings, paragraphs and tables, as text of 80 columns or as Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.console import on_one_line, visible

WIDTH = 80
LONG_TEXT = 4_000
"""The most characters of one text in tables and lists."""
REHEARSAL = "REHEARSAL: replies were generated offline. Nothing below is evidence."
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Heading:
    """``level`` 1 is the largest."""

    text: str
    level: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """The first ``left`` columns hold words; the others hold numbers, aligned right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


@dataclass(frozen=True, slots=True)
class Items:
    """A list of sentences."""

    texts: tuple[str, ...]


Part = Heading | Table | Items | str
"""A `str` is a paragraph."""


def grouped(things: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Things with equal keys together, in the order of their first."""
    found: dict[Hashable, list[T]] = {}
    for thing in things:
        found.setdefault(key(thing), []).append(thing)
    return list(found.values())


def bounded(text: object, limit: int = LONG_TEXT) -> str:
    """``text`` cut to ``limit`` characters, saying so."""
    whole = str(text)
    return whole if len(whole) <= limit else f"{whole[:limit]}… ({len(whole):,} characters in all)"


def as_text(parts: Iterable[Part]) -> str:
    """Parts in lines of at most 80 columns, where the words of tables allow, with empty lines between."""
    return "\n\n".join("\n".join(_text(part)) for part in parts) + "\n"


def as_markdown(parts: Iterable[Part]) -> str:
    """Parts as GitHub-flavoured Markdown."""
    return "\n\n".join("\n".join(_markdown(part)) for part in parts) + "\n"


def _text(part: Part) -> Iterator[str]:
    if isinstance(part, Heading):
        text = on_one_line(part.text)
        yield text
        yield ("=" if part.level == 1 else "-") * len(text)
    elif isinstance(part, Table):
        yield from aligned(part)
    elif isinstance(part, Items):
        for text in map(visible, part.texts):
            yield from textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ")
    else:
        yield from textwrap.wrap(visible(part), WIDTH)


def fits(table: Table) -> bool:
    """Whether the table is at most 80 columns wide as text."""
    return max(map(len, aligned(table))) <= WIDTH


def aligned(table: Table) -> Iterator[str]:
    """Columns two spaces apart, or one where two would be too wide."""
    lines = [tuple(map(on_one_line, cells)) for cells in (table.head, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= WIDTH else " "
    for cells in lines:
        yield gap.join(_set(cells, widths, table.left)).rstrip()


def _set(cells: Sequence[str], widths: Sequence[int], left: int) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        yield cell.ljust(width) if column < left else cell.rjust(width)


def _markdown(part: Part) -> Iterator[str]:
    if isinstance(part, Heading):
        yield f"{'#' * (part.level + 1)} {_escaped(part.text)}"
    elif isinstance(part, Table):
        yield from _piped(part)
    elif isinstance(part, Items):
        yield from (f"- {_escaped(text)}" for text in part.texts)
    else:
        yield _escaped(part)


def _piped(table: Table) -> Iterator[str]:
    lines = [tuple(map(_escaped, cells)) for cells in (table.head, *table.rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    rule = [
        "-" * width if column < table.left else f"{'-' * (width - 1)}:" for column, width in enumerate(widths)
    ]
    for cells in (lines[0], rule, *lines[1:]):
        yield f"| {' | '.join(_set(cells, widths, table.left))} |"


def _escaped(text: str) -> str:
    """Escape what could become a table border, markup or HTML; ``<.001`` could not."""
    return _MARKUP.sub(r"\\\g<0>", visible(" ".join(text.split())))


_MARKUP = re.compile(
    r"[\\|*`\[\]~]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|^[#+>-](?=[\s#])|:(?=//)|(?<=www)\.|<(?![.=\d\s])"
)
