"""A `Survey` as the plain data of a questionnaire file, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from harness.errors import ConfigurationError, raise_if_any
from harness.model import Item, Survey
from harness.model.survey.items import KINDS
from harness.questionnaires.checking import VERSION, LineOf, schema_problems, settings

_ITEM_IN_PROBLEM = re.compile(r"item '(\w+)'")


def survey_of(data: Any, owner: str, line_of: LineOf = lambda _: None) -> Survey:
    """The survey that the plain ``data`` of a file describes. Raises `ConfigurationError` with every fault found."""
    if not isinstance(data, Mapping):
        raise ConfigurationError(
            f"{owner}: is not a questionnaire; expected the keys questionnaire and items."
        )
    raise_if_any(schema_problems(data, owner, line_of))
    survey = Survey(
        items=tuple(map(item_of, data["items"])), **{name: data[name] for name in settings() if name in data}
    )
    raise_if_any(_with_lines(survey, owner, line_of))
    return survey


def item_of(data: Mapping[str, Any]) -> Item:
    """The item that ``data`` describes, which has the fields of its type."""
    return KINDS[data["type"]](**{name: value for name, value in data.items() if name != "type"})


def data_of(survey: Survey) -> dict[str, Any]:
    """The questionnaire as plain data; what has its default is left out. Raises `ConfigurationError` for functions."""
    raise_if_any(survey.problems("Survey"))
    saved = {"items", *settings()}
    code = [one.name for one in _set_fields(survey) if one.name not in saved]
    if code:
        raise ConfigurationError(
            f"Survey: {', '.join(code)} cannot be saved in a questionnaire file; expected items and "
            f"{', '.join(settings())} alone. Keep the rest in the test file."
        )
    plain = {one.name: getattr(survey, one.name) for one in _set_fields(survey) if one.name != "items"}
    ordered = {name: plain[name] for name in settings() if name in plain}
    return {"questionnaire": VERSION, **ordered, "items": [item_data(item) for item in survey.items]}


def item_data(item: Item) -> dict[str, Any]:
    """One item as plain data; what has its default is left out."""
    found = {"name": item.name, "type": item.kind, "question": item.question}
    for one in _set_fields(item):
        if one.name not in found:
            found[one.name] = _plain(getattr(item, one.name))
    return found


def _set_fields(declared: Any) -> Iterator[Field[Any]]:
    """The fields whose value is not their default; 0 and False are not the same here."""
    for one in fields(declared):
        if one.init:
            default = one.default if one.default is not MISSING else None
            if one.default_factory is not MISSING:
                default = one.default_factory()
            value = getattr(declared, one.name)
            if (type(value) is not type(default) and not isinstance(value, Mapping)) or value != default:
                yield one


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _with_lines(survey: Survey, owner: str, line_of: LineOf) -> Iterator[str]:
    places = {item.name: number for number, item in enumerate(survey.items)}
    for problem in survey.problems(""):
        text = problem.removeprefix(": survey: ")
        found = _ITEM_IN_PROBLEM.search(text)
        line = line_of(("items", places[found[1]])) if found and found[1] in places else None
        yield f"{owner}: line {line}: {text}" if line else f"{owner}: {text}"
