"""The parts that an experiment adds to its report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from harness.reports.parts import Heading, Items, Part, Table
from harness.reports.run_tables import Captioned

LEVEL = 3
"""The level of Markdown headings below a run's."""


def kinds(parts: Iterable[Part]) -> Iterator[tuple[str, Any]]:
    """Each part with its kind, for the page; the heading above a table is its caption.

    First-level headings are left out, because the report has one for the run.
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
    """The parts for Markdown, with their headings below the run's."""
    for part in parts:
        if not isinstance(part, Heading):
            yield part
        elif part.level > 1:
            yield replace(part, level=LEVEL)
