"""Checks a questionnaire's plain data against its JSON Schema, and says what is wrong in which line."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from harness.errors import expected_one_of
from harness.model.declaration import shown

SCHEMA_FILE = Path(__file__).with_name("questionnaire.schema.json")
VERSION = 1
MOST_NAMED = 20
"""Problems of one file that are named."""

DataPath = tuple[str | int, ...]
LineOf = Callable[[DataPath], int | None]
"""Gives the line of a part of the data, where it is known."""


@functools.cache
def schema() -> Mapping[str, Any]:
    """The JSON Schema of questionnaires."""
    found: Mapping[str, Any] = json.loads(SCHEMA_FILE.read_text("utf-8"))
    return found


def kinds() -> tuple[str, ...]:
    """The types of items, in the order of the schema."""
    return tuple(schema()["$defs"]["item"]["properties"]["type"]["enum"])


def fields_of(kind: str) -> Mapping[str, Mapping[str, Any]]:
    """The fields that an item of ``kind`` may have, with the schema of each."""
    found: Mapping[str, Mapping[str, Any]] = schema()["$defs"][kind]["properties"]
    return found


def settings() -> Mapping[str, Mapping[str, Any]]:
    """The settings of a whole questionnaire, with the schema of each."""
    known = schema()["properties"]
    return {name: one for name, one in known.items() if name not in ("questionnaire", "items")}


def schema_problems(data: Any, owner: str, line_of: LineOf) -> Iterator[str]:
    """What is wrong with ``data``, one sentence each; ``owner`` is what messages call the file."""
    from jsonschema import Draft202012Validator

    errors = sorted(
        Draft202012Validator(schema()).iter_errors(data), key=lambda one: [*map(str, one.absolute_path)]
    )
    found = dict.fromkeys(one for error in errors for one in _said(error, data, tuple(error.absolute_path)))
    for path, text in islice(found, MOST_NAMED):
        line = line_of(path)
        yield f"{owner}: line {line}: {text}" if line else f"{owner}: {text}"
    if len(found) > MOST_NAMED:
        yield f"{owner}: {len(found) - MOST_NAMED} more problems."


def place_of(data: Any, path: DataPath) -> str:
    """What messages call a part of the data: the item by its name, and the field."""
    words: list[str] = []
    rest: Sequence[str | int] = path
    if len(path) > 1 and path[0] == "items" and isinstance(path[1], int):
        item = data["items"][path[1]]
        name = item.get("name") if isinstance(item, Mapping) else None
        words.append(f"item {shown(name)}" if isinstance(name, str) and name else f"item {path[1] + 1}")
        rest = path[2:]
    return ", ".join([*words, *(str(one) if isinstance(one, str) else f"number {one + 1}" for one in rest)])


def _said(error: Any, data: Any, path: DataPath) -> Iterator[tuple[DataPath, str]]:
    """(the part at fault, sentence) of one error of the validator."""
    place = place_of(data, path)
    mine = f"{place}: " if place else ""
    known, value, rule = error.schema, error.instance, error.validator
    if rule == "additionalProperties" and "properties" in known:
        for key in value:
            if key not in known["properties"]:
                yield (
                    (*path, str(key)),
                    f"{mine}unknown key {shown(key)}; {expected_one_of(str(key), known['properties'])}",
                )
    elif rule == "required":
        for key in error.validator_value:
            if key not in value and error.message.startswith(repr(key)):
                yield path, f"{mine}{_lacking(key, value)}"
    elif rule == "enum":
        yield path, f"{mine}{shown(value)}; {expected_one_of(str(value), map(str, error.validator_value))}"
    elif rule == "const" and path == ("questionnaire",):
        yield path, f"questionnaire: {shown(value)} is not a version that is read here; expected {VERSION}."
    else:
        yield path, f"{mine}{shown(value)}; {_expected(rule, error.validator_value, known)}"


def _lacking(key: str, value: Any) -> str:
    if key == "options":
        return "has no options; expected at least two, such as options: [yes, no]."
    if key == "questionnaire":
        return f"has no version; expected the line questionnaire: {VERSION}."
    if key == "type":
        return f"has no type; expected one of {', '.join(kinds())}."
    if key == "items":
        return "has no items; expected a list of questions."
    return f"has no {key}; expected it." if isinstance(value, Mapping) else f"expected {key}."


def _expected(rule: str, wanted: Any, known: Mapping[str, Any]) -> str:
    if rule == "type":
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        return f"expected {' or '.join(_TYPES.get(name, name) for name in names)}."
    if (rule == "pattern" and known.get("minLength") == 1) or rule == "minLength":
        return "expected text that is not empty."
    if rule == "pattern":
        return "expected a letter, then letters, digits and '_', at most 64."
    if rule in ("minimum", "maximum"):
        return f"expected {wanted} or {'more' if rule == 'minimum' else 'less'}."
    if rule == "minItems":
        return f"expected at least {wanted}."
    if rule == "uniqueItems":
        return "expected each of them once."
    return f"expected {shown(wanted)}."


_TYPES = {
    "object": "names with values",
    "array": "a list",
    "string": "text (in quotes, where it looks like a number, true or false)",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
