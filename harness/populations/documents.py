"""One JSON file that describes a person or a part of one, read with every fault named."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NoReturn

from harness import console
from harness.errors import ConfigurationError, raise_if_any
from harness.text_files import read_json

Kind = Literal["TinyPerson", "Fragment"]

MAX_BYTES = 1 << 20
"""The largest file that is read: 1 MiB. A persona goes into every prompt; real ones have a few kilobytes."""

MAX_DEPTH = 32
"""The deepest nesting of objects and lists that is accepted."""

_LABEL = {"TinyPerson": "Persona file", "Fragment": "Fragment file"}
_SHAPE = {
    "TinyPerson": '{"type": "TinyPerson", "persona": {"name": "…", …}}',
    "Fragment": '{"type": "Fragment", "persona": {…}}',
}


def read(path: Path, kind: Kind) -> dict[str, Any]:
    """The ``persona`` object of the file at ``path``; for a `TinyPerson` it has a name.

    Raises `ConfigurationError` with every fault of this file.
    """
    owner = f"{_LABEL[kind]} {path}"
    document = read_json(path, owner, MAX_BYTES, expected=_SHAPE[kind])
    raise_if_any(_shape_problems(document, owner, kind))
    persona: dict[str, Any] = document["persona"]
    return persona


def name_problems(persona: dict[str, Any], owner: str) -> Iterator[str]:
    """What is wrong with the name of a persona, if anything is."""
    if "name" not in persona:
        yield f'{owner}: the persona has no name; expected "name": "First Last". Add one.'
    elif not isinstance(persona["name"], str):
        yield f'{owner}: name={reprlib.repr(persona["name"])}; expected a text. Write "name": "First Last".'
    elif not persona["name"].strip():
        yield f"{owner}: name={persona['name']!r} is empty; expected a text with letters. Name this person."
    elif not any(value_problems(persona["name"], owner)):  # half a character is named by that
        yield from console.name_problems(f"{owner}: name", persona["name"])


def value_problems(value: Any, owner: str) -> Iterator[str]:
    """What keeps ``value`` from being strict JSON of bounded depth, if anything does."""
    if _is_deeper_than(MAX_DEPTH, value):
        yield f"{owner}: nested more than {MAX_DEPTH} deep; expected a description of a person. Flatten it."
        return
    try:
        canonical(value).encode("ascii")
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        found = ascii(error.object[error.start : error.end])
        yield f"{owner}: holds {found}, half a character; expected Unicode text. Replace it."
    except (TypeError, ValueError) as error:
        yield f"{owner}: holds what JSON lacks ({error}); expected finite numbers and text. Replace it."


def canonical(value: Any) -> str:
    """``value`` as compact JSON in ASCII. Keys keep their order, in which a prompt names them.

    Raises `ValueError` for NaN and infinity, `TypeError` for what is not JSON.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def reason(error: Exception) -> str:
    """Why the operating system refused, without the path."""
    return getattr(error, "strerror", None) or str(error)


def _shape_problems(document: Any, owner: str, kind: Kind) -> Iterable[str]:
    if not isinstance(document, dict):
        found = reprlib.repr(document)
        yield f"{owner}: holds {found}; expected an object like {_SHAPE[kind]}. Wrap the persona in one."
        return
    if document.get("type") != kind:
        found = f"type={reprlib.repr(document['type'])}" if "type" in document else "has no type"
        yield f'{owner}: {found}; expected "type": "{kind}". Correct it or move the file elsewhere.'
    persona = document.get("persona")
    if not isinstance(persona, dict):
        found = f"persona={reprlib.repr(persona)}" if "persona" in document else "lacks a persona"
        yield f"{owner}: {found}; expected an object, as in {_SHAPE[kind]}. Add it."
        return
    if kind == "TinyPerson":
        yield from name_problems(persona, owner)
    yield from value_problems(persona, owner)


def _is_deeper_than(limit: int, value: Any) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON's")


def _refuse(owner: str, found: str, expected: str, way_out: str) -> NoReturn:
    raise ConfigurationError(f"{owner}: {found}; expected {expected}. {way_out}.")
