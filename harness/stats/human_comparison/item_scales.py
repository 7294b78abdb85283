"""From a survey's items and their answers to the scales and rows of numbers that are compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.model.survey.composites import Allocation, Matrix, MultipleChoice, Ranking
from harness.model.survey.item import Item
from harness.model.survey.items import Choice, FreeText, Likert, Numeric, YesNo
from harness.stats.human_comparison.answers import AnswerScale

CHOSEN = ("not chosen", "chosen")


def scales_of(item: Item) -> list[AnswerScale]:
    """The scales on which ``item`` is compared: one, a matrix one per row, free text without categories none.

    >>> [scale.kind for scale in scales_of(Likert("trust", "How far?"))]
    ['ordinal']
    """
    name, question = item.name, item.question
    if isinstance(item, Likert):
        return [_points(name, question, item.points, item)]
    if isinstance(item, Matrix):
        return [_points(f"{name}[{row}]", f"{question} {row}", item.points, item) for row in item.rows]
    if isinstance(item, Choice | YesNo):
        binary = len(item.choices) == 2
        return [AnswerScale(name, "nominal", item.choices, (1.0, 0.0) if binary else (), question=question)]
    if isinstance(item, MultipleChoice):
        return [AnswerScale(name, "nominal", CHOSEN, (), item.options, "several", question=question)]
    if isinstance(item, Ranking):
        ranks = tuple(range(1, len(item.options) + 1))
        levels, numbers = tuple(map(str, ranks)), tuple(map(float, ranks))
        return [AnswerScale(name, "ordinal", levels, numbers, item.options, "ranking", question=question)]
    if isinstance(item, Allocation):
        total = float(item.total)
        return [
            AnswerScale(
                name, "numeric", (), (), item.options, "allocation", 0.0, total, whole=True, question=question
            )
        ]
    if isinstance(item, Numeric):
        return [
            AnswerScale(
                name,
                "numeric",
                least=item.least,
                most=item.most,
                whole=item.whole,
                question=question,
                unit=item.unit,
            )
        ]
    if isinstance(item, FreeText) and item.codes:
        return [AnswerScale(name, "nominal", tuple(item.codes), question=question)]
    return []


def _points(name: str, question: str, points: int, item: Likert | Matrix) -> AnswerScale:
    places = range(1, points + 1)
    levels = tuple(f"{place} {item.label(place)}".strip() for place in places)
    return AnswerScale(name, "ordinal", levels, tuple(map(float, places)), question=question)


def rows_of(item: Item, value: Any) -> Iterator[tuple[str, tuple[float, ...] | None]]:
    """The name of each scale of ``item`` with the row of numbers that ``value``, an answer as it is read, gives.

    ``None`` is an opt-out.
    """
    if isinstance(item, Matrix):
        for row in item.rows:
            rated = value.get(row)
            if rated is not None:  # people may have left out a row
                yield f"{item.name}[{row}]", (None if isinstance(rated, str) else (float(rated) - 1,))
    elif item.is_opt_out(value):
        yield item.name, None
    else:
        yield item.name, _row(item, value)


def _row(item: Item, value: Any) -> tuple[float, ...]:
    if isinstance(item, Likert):
        return (float(value) - 1,)
    if isinstance(item, Choice | YesNo):
        return (float(item.choices.index(value)),)
    if isinstance(item, FreeText):
        return (float(tuple(item.codes).index(value)),)
    if isinstance(item, MultipleChoice):
        return tuple(float(option in value) for option in item.options)
    if isinstance(item, Ranking):
        return tuple(float(value.index(option)) for option in item.options)
    if isinstance(item, Allocation):
        return tuple(float(value[option]) for option in item.options)
    return (float(value),)
