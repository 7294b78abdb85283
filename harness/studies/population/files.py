"""The pipeline's files: read whole and checked, every fault at once; written whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from yaml.constructor import ConstructorError

from harness.errors import ConfigurationError
from harness.records.atomic import write_whole

MAX_SPEC_BYTES = 16 << 20
"""The largest YAML file that is read."""
MAX_DATA_BYTES = 4 << 30
"""The largest JSON file that is read."""
MAX_FAULTS = 25
"""Faults of one file that are named; of more, their number is."""

M = TypeVar("M", bound="Form")


class Form(BaseModel):
    """A part of a file: no unknown keys, no silent conversions, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def read_yaml(path: Path, form: type[M], what: str) -> M:
    """The ``form`` in the file at ``path``; ``what`` is what messages call it. Raises `ConfigurationError`."""
    return checked(form, _yaml(_bytes(path, what, MAX_SPEC_BYTES), f"{what} {path}"), f"{what} {path}")


def read_json(path: Path, what: str) -> Any:
    """The JSON in the file at ``path``, without NaN. Raises `ConfigurationError`."""
    content = _bytes(path, what, MAX_DATA_BYTES)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(
            f"{what} {path}: is not JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None


def checked(form: type[M], data: Any, owner: str) -> M:
    """``data`` as a ``form``. Raises `ConfigurationError` with every fault."""
    if not isinstance(data, dict):
        raise ConfigurationError(f"{owner}: holds {_shown(data)}; expected named parts, as 'meta: …'.")
    try:
        return form.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(*_limited(_faults(error, owner, data))) from None


def write_yaml(path: Path, form: Form) -> None:
    """Write ``form``, without what is not set. Raises `HarnessError`."""
    data = form.model_dump(mode="json", by_alias=True, exclude_none=True)
    text = yaml.dump(
        data, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=100
    )
    write_whole(path, text.encode())


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
    return hashlib.sha256(_bytes(path, what, MAX_DATA_BYTES)).hexdigest()


def _bytes(path: Path, what: str, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise ConfigurationError(f"{what} {path}: larger than {most >> 20:,} MiB; expected at most that.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"{what} {path}: cannot be read ({reason}); check path and permissions."
        ) from None


class _Loader(yaml.CSafeLoader):
    """No key twice, of which one would be lost."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise ConstructorError(None, None, f"{key.value!r:.60} stands there twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _yaml(content: bytes, owner: str) -> Any:
    try:
        text = content.decode("utf-8-sig")
        for event in yaml.parse(text, yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):  # a few of them may blow a small file up
                raise ConstructorError(None, None, "has an alias (*name); write it out", event.start_mark)  # type: ignore[arg-type]
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigurationError(f"{owner}: is not YAML as read here: {where}{error.problem}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigurationError(f"{owner}: is not YAML in UTF-8 ({str(error)[:120]}).") from None


def _faults(error: ValidationError, owner: str, data: Any) -> Iterator[str]:
    for one in error.errors(include_url=False):
        place = ".".join(_named(one["loc"], data)) or "the whole"
        if one["type"] == "extra_forbidden":
            yield f"{owner}: {place}: unknown; expected only the keys that docs/population.md lists."
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
                continue  # a union's tag, which stands in a location, but not in the data
        name = data.get("name") or data.get("attribute") if isinstance(data, dict) else None
        yield name if isinstance(step, int) and isinstance(name, str) else str(step)


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
"""Says a line to whoever looks on."""
