"""A questionnaire as text: its items with options and conditions, and what a persona reads."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from harness.console import on_one_line
from harness.engines.survey.prompts import lettered, one_token_question, questionnaire
from harness.model import Item, Survey
from harness.model.survey.items import FreeText, Numeric


def preview(survey: Survey, width: int) -> Iterator[str]:
    """The lines of a preview, at most ``width`` columns."""
    count = len(survey.items)
    order = (
        ", items in random order" * survey.shuffle_items
        + ", options in random order" * survey.shuffle_options
    )
    memory = "" if survey.memory else ", without memory"
    yield f"{count} item{'s' * (count != 1)}, asked {survey.ask}{memory}{order}"
    for number, item in enumerate(survey.items, 1):
        yield ""
        yield from _wrapped(f"{number}. {item.name} ({item.kind}{_facts(item)})", width, "   ")
        yield from _wrapped(item.question, width, "   ", "   ")
        yield from (line for one in _answers(item) for line in _wrapped(f"- {one}", width, "     ", "   "))
        if item.when:
            yield from _wrapped(f"only if {item.when}", width, "     ", "   ")
    for number, page in enumerate(survey.pages(), 1):
        yield ""
        yield f"--- What a persona reads, call {number} ".ljust(width, "-")
        introduction = (survey.introduction or "") if number == 1 or not survey.memory else ""
        yield from _wrapped(_request(survey, page, introduction), width, "")


def _request(survey: Survey, page: Sequence[Item], introduction: str) -> str:
    """The questions of one call, in the order of the declaration and with every item asked."""
    if survey.gives_probabilities(page[0]):
        item = page[0]
        return one_token_question(introduction, item, item.question, lettered(item, item.choices))
    return questionnaire(introduction, [(item, item.question, item.choices) for item in page])


def _facts(item: Item) -> str:
    facts = []
    if item.kind == "multiple_choice":
        least, most = getattr(item, "least", 0), getattr(item, "most", None)
        facts += [f"at least {least}" * bool(least), f"at most {most}" * bool(most)]
    if item.kind == "allocation":
        facts.append(f"{getattr(item, 'total', 100):,} in all")
    if isinstance(item, Numeric):
        facts += [item.range, item.unit, "whole numbers" * item.whole]
    if getattr(item, "shuffle", False):
        facts.append("shuffled")
    return "".join(f", {one}" for one in facts if one)


def _answers(item: Item) -> Iterator[str]:
    values: Any = getattr(item, "values", {})
    for option in item.choices:
        yield f"{option} [{values[option]}]" if option in values else option
    points, label = getattr(item, "points", 0), getattr(item, "label", None)
    if points and label:
        named = [f"{point} {label(point)}".rstrip() for point in range(1, points + 1)]
        yield f"scale: {', '.join(named)}"
    if isinstance(item, FreeText) and item.categories:
        yield f"coded as: {', '.join(item.categories)}"
    for one in item.opt_out:
        yield f"{one} (opts out)"


def _wrapped(text: str, width: int, later: str, first: str = "") -> Iterator[str]:
    for line in text.splitlines() or [""]:
        yield from textwrap.wrap(
            on_one_line(line), width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False
        ) or [""]
        first = later
