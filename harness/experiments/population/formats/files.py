"""The pipeline's files: read whole and checked, every fault at once; written whole or not at all."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args, get_origin

import orjson
from annotated_types import MaxLen, MinLen
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from harness import text_files
from harness.console import on_one_line
from harness.errors import ConfigurationError
from harness.records import strict_yaml
from harness.records.atomic import write_whole

MAX_DATA_BYTES = 4 << 30
"""The largest JSON file that is read."""
MAX_FAULTS = 25
"""Faults of one file that are named; of more, their number is."""

M = TypeVar("M", bound="FileModel")


class FileModel(BaseModel):
    """A part of a file: no unknown keys, no silent conversions, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    docs: ClassVar[str] = "docs/population.md"
    """The page that lists the keys of the file."""


@functools.cache
def lenient(form: type[M]) -> type[M]:
    """``form`` for readers of a part of a file: unknown keys are ignored, and lists may have any length."""
    fields: dict[str, Any] = {}
    for name, field in form.model_fields.items():
        own = copy(field)
        own.annotation = _lenient(field.annotation)
        if get_origin(own.annotation) is list:
            own.metadata = [one for one in field.metadata if not isinstance(one, MinLen | MaxLen)]
        fields[name] = (own.annotation, own)
    loose: type[M] = create_model(f"Lenient{form.__name__}", __base__=form, **fields)
    loose.model_config = form.model_config | {"extra": "ignore"}
    loose.model_rebuild(force=True)
    return loose


def _lenient(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, FileModel):
        return lenient(annotation)
    if get_origin(annotation) is list:
        return list[_lenient(get_args(annotation)[0])]  # type: ignore[misc]
    return annotation


def read_yaml(path: Path, form: type[M], what: str) -> M:
    """The ``form`` in the file at ``path``; ``what`` is what messages call it. Raises `ConfigurationError`."""
    owner = f"{what} {path}"
    return checked(form, strict_yaml.read_yaml(path, owner), owner)


def read_json(path: Path, what: str) -> Any:
    """The JSON in the file at ``path``, without NaN. Raises `ConfigurationError`."""
    return text_files.read_json(path, f"{what} {path}", MAX_DATA_BYTES, loads=orjson.loads)


def checked(form: type[M], data: Any, owner: str) -> M:
    """``data`` as a ``form``. Raises `ConfigurationError` with every fault."""
    if not isinstance(data, dict):
        raise ConfigurationError(f"{owner}: holds {_shown(data)}; expected named parts, as 'meta: …'.")
    try:
        return form.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(*_limited(_faults(error, owner, data, form.docs))) from None


def write_yaml(path: Path, form: FileModel) -> None:
    """Write ``form``, without what is not set. Raises `HarnessError`."""
    data = form.model_dump(mode="json", by_alias=True, exclude_none=True)
    write_whole(path, strict_yaml.yaml_text(data).encode())


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` in two-space indents. Raises `HarnessError`, and `ValueError` for NaN."""
    write_whole(path, to_json(data))


def to_json(data: Any) -> bytes:
    """``data`` as JSON text; a figure that is not finite becomes ``null``, as orjson has it."""
    return orjson.dumps(
        data, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    )


def sha256(path: Path, what: str) -> str:
    """Of the file's bytes, in hex. Raises `ConfigurationError`."""
    return hashlib.sha256(text_files.read_content(path, f"{what} {path}", MAX_DATA_BYTES)).hexdigest()


def _faults(error: ValidationError, owner: str, data: Any, docs: str) -> Iterator[str]:
    for one in error.errors(include_url=False):
        place = ".".join(_named(one["loc"], data)) or "the whole"
        if one["type"] == "extra_forbidden":
            yield f"{owner}: {place}: unknown; expected only the keys that {docs} lists."
        elif one["type"] == "missing":
            yield f"{owner}: {place}: missing; expected it."
        else:
            yield f"{owner}: {place}={_shown(one['input'])}: {_lowered(one['msg'])}."


def _named(location: tuple[int | str, ...], data: Any) -> Iterator[str]:
    """Steps to a place; an item of a list goes by its name where it has one."""
    for number, step in enumerate(location, 1):
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            if number < len(location):
                continue  # a union's tag, which is in the location, but not in the data
        name = data.get("name") or data.get("attribute") if isinstance(data, dict) else None
        yield _bounded(name if isinstance(step, int) and isinstance(name, str) else str(step))


def _bounded(name: str) -> str:
    """A name as a message may have it: it comes from a file."""
    return on_one_line(name)[:80]


def _lowered(message: str) -> str:
    message = message.removeprefix("Value error, ").rstrip(".")
    return message[:1].lower() + message[1:]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _limited(faults: Iterable[str]) -> list[str]:
    found = list(faults)
    more = len(found) - MAX_FAULTS
    return found if more <= 0 else [*found[:MAX_FAULTS], f"… and {more:,} more faults in that file."]


Write = Callable[[str], None]
"""Prints a line of progress."""
