"""An experiment's own answer as a part of the report: the parts that it is made of, each by its kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from harness.reports.parts import Heading, Items, Part, Table
from harness.reports.run_tables import Captioned

LEVEL = 3
"""Of Markdown headings below a run's own."""


def kinds(parts: Iterable[Part]) -> Iterator[tuple[str, Any]]:
    """Each part with its kind, for the page; a table is captioned by the heading above it.

    The report has a heading for the run already, so one of the first level is left out.
    """
    above = ""
    for part in parts:
        if isinstance(part, Heading):
            above = part.text
            if part.level > 1:
                yield "heading", part.text
        elif isinstance(part, Table):
            yield "table", Captioned(above, part)
        elif isinstance(part, Items):
            yield "items", part.texts
        else:
            yield "text", part


def below(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts for Markdown, with headings below the run's."""
    for part in parts:
        if not isinstance(part, Heading):
            yield part
        elif part.level > 1:
            yield replace(part, level=LEVEL)
