r"""Terminal output. All printing of this package goes through this module, so that no text can control a terminal.

Names, replies, paths and errors come from models, servers and other people's files. Control characters in them could
move the cursor, recolour or hide text, or set the window's title; bidirectional characters could reorder it. They are
shown as Python escapes::

    >>> visible("\x1b[31mPASS\u202e")
    '\\x1b[31mPASS\\u202e'

Escaped are: C0 controls except newline and tab, DEL, C1 controls, bidirectional and other invisible format
characters, zero-width characters, line and paragraph separators, and halves of surrogate pairs. A carriage return
before a newline is dropped.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_STEERING = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff"
)
_JOINERS = "\u200c\u200d"
_ESCAPED = re.compile(f"[{_STEERING}]")
_ESCAPED_ON_A_LINE = re.compile(f"[\t\n{_STEERING}]")


def visible(text: str) -> str:
    """``text`` with every character that could control a terminal as an escape; newlines and tabs stay."""
    return _ESCAPED.sub(_escape, text.replace("\r\n", "\n"))


def on_one_line(text: str) -> str:
    """As `visible`, for a name or value within a line: newlines and tabs are escaped too."""
    return _ESCAPED_ON_A_LINE.sub(_escape, text)


def name_problems(owner: str, name: object) -> Iterator[str]:
    """The fault of a declared name that contains characters to escape; ``owner`` is what it names.

    Joiners (U+200C, U+200D) are allowed: Persian and Indic names need them.
    """
    found = dict.fromkeys(_ESCAPED_ON_A_LINE.findall(name)) if isinstance(name, str) else {}
    points = [f"U+{ord(one):04X}" for one in found if one not in _JOINERS]
    if points:
        yield f"{owner} '{on_one_line(str(name))}' has {', '.join(points)}; expected visible characters. Remove it."


def echo(text: object = "", *, err: bool = False, end: str = "\n", file: TextIO | None = None) -> None:
    """Print ``text``, to standard error if ``err``, or to ``file``.

    Characters that the stream's encoding lacks become escapes.
    """
    _write(file or (sys.stderr if err else sys.stdout), visible(str(text)) + end)


def echo_json(content: Any, *, sort_keys: bool = False) -> None:
    """Print ``content`` as `json_text`."""
    echo(json_text(content, sort_keys=sort_keys))


def json_text(content: Any, *, sort_keys: bool = False) -> str:
    """``content`` as indented JSON. Control characters become JSON escapes, so the data stay the same."""
    text = json.dumps(content, indent=2, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
    return _ESCAPED.sub(lambda one: json.dumps(one[0])[1:-1], text)


def write_line(reporter: Any, text: str, **markup: bool) -> None:
    """Print ``text`` with pytest's terminal reporter."""
    reporter.write_line(visible(text), **markup)


def write_heading(reporter: Any, text: str) -> None:
    """Print ``text`` as a section heading with pytest's terminal reporter."""
    reporter.write_sep("=", on_one_line(text))


def warn(text: str, *, stacklevel: int = 2) -> None:
    """Issue a `RuntimeWarning`, which a session or the command line shows."""
    warnings.warn(visible(text), RuntimeWarning, stacklevel=stacklevel + 1)


def logger(name: str = "harness") -> logging.Logger:
    """The logger of that name. Its messages are made `visible` before any handler sees them."""
    found = logging.getLogger(name)
    if _show not in found.filters:
        found.addFilter(_show)
    return found


def _show(record: logging.LogRecord) -> bool:
    record.msg, record.args = visible(record.getMessage()), ()
    return True


@contextmanager
def guarded_stderr() -> Iterator[None]:
    """Make everything on standard error `visible`, including usage errors, warnings and tracebacks of others.

    A `RuntimeWarning`, as `warn` issues it, is one line without its place in the code.
    """
    before, formatted = sys.stderr, warnings.formatwarning

    def on_a_line(message: Any, category: type[Warning], *place: Any, **more: Any) -> str:
        plain = category is RuntimeWarning
        return f"WARNING: {message}\n" if plain else formatted(message, category, *place, **more)

    sys.stderr, warnings.formatwarning = _Guarded(before), on_a_line
    try:
        yield
    finally:
        sys.stderr, warnings.formatwarning = before, formatted


class _Guarded:
    """A stream whose text is made `visible`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        _write(self._file, visible(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _write(file: Any, text: str) -> None:
    try:
        file.write(text)
    except UnicodeEncodeError as error:
        file.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
    file.flush()


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
