"""Reads a JSON file that describes personas or a fragment, and reports every fault."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from harness import console
from harness.errors import raise_if_any
from harness.personas.formats import as_documents, other_file
from harness.text_files import read_json

Kind = Literal["TinyPerson", "Fragment"]

MAX_BYTES = 1 << 20
"""The largest persona: 1 MiB of JSON. Real ones, which go into every prompt, have a few kilobytes."""

MAX_FILE_BYTES = 1 << 26
"""The largest file: 64 MiB. Files may hold memories and whole simulations besides personas."""

MAX_DEPTH = 32
"""The deepest nesting of objects and lists that is accepted."""

_LABEL = {"TinyPerson": "Persona file", "Fragment": "Fragment file"}
_SHAPE = {
    "TinyPerson": '{"type": "TinyPerson", "persona": {"name": "…", …}}',
    "Fragment": '{"type": "Fragment", "persona": {…}}',
}


def read_people(path: Path) -> list[dict[str, Any]]:
    """Read the ``persona`` objects of the file at ``path``: one, or all of a simulation.

    Files of every version of TinyTroupe are read (`harness.personas.formats`). Raises `ConfigurationError` with
    every fault of this file.
    """
    return _read(path, "TinyPerson")


def read_fragment(path: Path) -> dict[str, Any]:
    """Read the ``persona`` object of the fragment at ``path``. Raises like `read_people`."""
    return _read(path, "Fragment")[0]


def _read(path: Path, kind: Kind) -> list[dict[str, Any]]:
    owner = f"{_LABEL[kind]} {path}"
    documents = as_documents(read_json(path, owner, MAX_FILE_BYTES, expected=_SHAPE[kind]))
    numbered = [f"{owner}, person {number}" for number in range(1, len(documents) + 1)]
    owners = numbered if len(documents) > 1 else [owner]
    raise_if_any(
        problem
        for document, each in zip(documents, owners, strict=True)
        for problem in _shape_problems(document, each, kind)
    )
    return [document["persona"] for document in documents]


def name_problems(persona: dict[str, Any], owner: str) -> Iterator[str]:
    """Problems with the name of a persona."""
    if "name" not in persona:
        yield f'{owner}: the persona has no name; expected "name": "First Last". Add one.'
    elif not isinstance(persona["name"], str):
        yield f'{owner}: name={reprlib.repr(persona["name"])}; expected a text. Write "name": "First Last".'
    elif not persona["name"].strip():
        yield f"{owner}: name={persona['name']!r} is empty; expected a text with letters. Name this person."
    elif not any(value_problems(persona["name"], owner)):  # which reports half a character
        yield from console.name_problems(f"{owner}: name", persona["name"])


def size_problems(persona: dict[str, Any], owner: str) -> Iterator[str]:
    """Whether a persona, valid otherwise, is too large for a prompt."""
    if len(canonical(persona)) > MAX_BYTES:
        yield f"{owner}: larger than {MAX_BYTES:,} bytes. Shorten it."


def value_problems(value: Any, owner: str) -> Iterator[str]:
    """What prevents ``value`` from being strict JSON of bounded depth."""
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


def plain_values(value: Any) -> Any:
    """``value`` with its mappings and sequences copied into dicts and lists."""
    if isinstance(value, Mapping):
        return {key: plain_values(item) for key, item in value.items()}
    return [plain_values(item) for item in value] if isinstance(value, list | tuple) else value


def reason(error: Exception) -> str:
    """Why the operating system refused, without the path."""
    return getattr(error, "strerror", None) or str(error)


def _shape_problems(document: Any, owner: str, kind: Kind) -> Iterable[str]:
    if not isinstance(document, dict):
        found = other_file(document) or reprlib.repr(document)
        yield f"{owner}: holds {found}; expected an object like {_SHAPE[kind]}. Wrap the persona in one."
        return
    if "type" not in document and not isinstance(document.get("persona"), dict):
        yield _unknown(document, owner, kind)
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
    found_problems = list(value_problems(persona, owner))
    yield from found_problems or size_problems(persona, owner)


def _unknown(document: dict[str, Any], owner: str, kind: Kind) -> str:
    """The message about a file of unknown format, with a way to convert it."""
    keys = reprlib.repr(sorted(document))
    what = other_file(document)
    found = f"is {what}" if what else f"has an unknown format, with the keys {keys}"
    convert = (
        " If TinyTroupe loads it as a person, convert it with TinyPerson.save_specification."
        if not what
        else ""
    )
    return f"{owner}: {found}; expected {_SHAPE[kind]}.{convert} Or move the file elsewhere."


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
