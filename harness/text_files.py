"""Text files: read whole, with bounds, in the encoding that they are in; and JSON read strictly.

Every file that a person or another program may have written is read through here, so that all of them accept the
same variants (a byte-order mark, UTF-16, any line ends) and refuse the same faults with the same words.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import ConfigurationError

MAX_BYTES = 1 << 30
"""The largest file that is read where its reader does not set a limit: 1 GiB."""

_WIDE = {  # UTF-32 first: the mark of UTF-16 LE is the beginning of its own
    BOM_UTF32_LE: "utf-32",
    BOM_UTF32_BE: "utf-32",
    BOM_UTF16_LE: "utf-16",
    BOM_UTF16_BE: "utf-16",
}


def named_path(text: str) -> Path:
    """The path that a user named; ``~`` is the home folder, and an unknown ``~user`` a name like any other."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def read_content(path: Path, owner: str, most: int = MAX_BYTES) -> bytes:
    """The bytes of the regular file at ``path``, at most ``most`` of them; ``owner`` is what messages call it.

    A pipe or a device is refused unopened, since reading one may never end. Raises `ConfigurationError`.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError(
                f"{owner}: is not a regular file; expected a text file. Move it elsewhere."
            )
        with path.open("rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"{owner}: cannot be read ({reason}); expected a readable file. Check path and permissions."
        ) from None
    if len(content) > most:
        raise ConfigurationError(
            f"{owner}: is larger than {most:,} bytes; expected at most that. Shorten it."
        )
    return content


def encoding_of(head: bytes) -> str:
    """The encoding of text that begins with ``head``: by its byte-order mark, or by its zero bytes, else UTF-8.

    Two or more bytes are needed. Text begins with an ASCII character here, so a zero byte beside the first tells
    UTF-16 without a mark.

    >>> encoding_of(b"{"), encoding_of("{}".encode("utf-16")), encoding_of("{}".encode("utf-16-be"))
    ('utf-8', 'utf-16', 'utf-16-be')
    """
    if head.startswith(BOM_UTF8):
        return "utf-8-sig"
    for mark, name in _WIDE.items():
        if head.startswith(mark):
            return name
    if len(head) >= 2 and head[0] and not head[1] and (len(head) < 4 or head[2:3] != b"\0"):
        return "utf-16-le"
    if len(head) >= 2 and head[1] and not head[0]:
        return "utf-16-be"
    return "utf-8"


def decoded(content: bytes, owner: str) -> str:
    """``content`` as text. Raises `ConfigurationError`, naming the line of the first bad byte."""
    name = encoding_of(content[:4])
    try:
        return content.decode(name)
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{owner}: {undecodable(error, name)}; expected text in UTF-8. Save it again in that encoding."
        ) from None


def recoded(content: bytes) -> bytes:
    """``content`` as UTF-8 without a byte-order mark, so that it can be appended to; unchanged if it is not text."""
    name = encoding_of(content[:4])
    try:
        return content if name == "utf-8" else content.decode(name).encode()
    except UnicodeError:
        return content


def undecodable(error: UnicodeDecodeError, name: str = "utf-8") -> str:
    """Where ``error`` found which byte, in words: ``line 3 has the byte 0xff, which is not UTF-8``."""
    before = error.object[: error.start].decode(name, "replace")
    named = name.upper().removesuffix("-SIG")
    return f"line {before.count(chr(10)) + 1} has the byte 0x{error.object[error.start]:02x}, which is not {named}"


def read_text(path: Path, owner: str, most: int = MAX_BYTES) -> str:
    """The text of the file at ``path``. Raises `ConfigurationError`."""
    return decoded(read_content(path, owner, most), owner)


def read_json(
    path: Path,
    owner: str,
    most: int = MAX_BYTES,
    *,
    expected: str = "valid JSON",
    loads: Callable[[bytes], Any] | None = None,
    nan: bool = False,
) -> Any:
    """The data in the JSON file at ``path``; see `parse_json`. Raises `ConfigurationError`."""
    return parse_json(read_content(path, owner, most), owner, expected=expected, loads=loads, nan=nan)


def parse_json(
    content: bytes,
    owner: str,
    *,
    expected: str = "valid JSON",
    loads: Callable[[bytes], Any] | None = None,
    nan: bool = False,
) -> Any:
    """Strict JSON in any encoding that JSON may have: no NaN, no infinity, no key twice in one object.

    With ``nan``, NaN and infinity are read: TinyTroupe writes them where a statistic is undefined. ``expected`` is
    what messages ask for. ``loads`` is a faster decoder of UTF-8 that raises `json.JSONDecodeError`;
    it need not see a repeated key. Raises `ConfigurationError` with the line at fault.
    """
    try:
        if loads is not None:
            return loads(recoded(content))
        constants = None if nan else _no_constant
        return json.loads(decoded(content, owner), parse_constant=constants, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        found = f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        raise ConfigurationError(f"{owner}: {found}; expected {expected}. Correct that line.") from None
    except RecursionError:
        raise ConfigurationError(f"{owner}: is nested too deep; expected {expected}. Flatten it.") from None
    except ValueError as error:
        raise ConfigurationError(
            f"{owner}: is not strict JSON: {error}; expected finite numbers and each key once. Correct it."
        ) from None


def repeated_key(text: bytes) -> str | None:
    """A key that occurs twice in one object of the JSON ``text``, of which all but the last are lost."""
    try:
        json.loads(text, object_pairs_hook=_unique)
    except RepeatedKeyError as error:
        return error.key
    except (ValueError, RecursionError):
        pass
    return None


class RepeatedKeyError(ValueError):
    """Raised within this module: an object has ``key`` twice."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the key {key!r:.60} occurs twice in one object")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise RepeatedKeyError(next(name for name in names if names.count(name) > 1))
    return made


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a valid JSON number")
