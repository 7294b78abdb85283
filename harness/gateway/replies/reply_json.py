"""Find the JSON in a reply to a request for JSON: the whole reply, or the one value within other text.

Nothing is repaired. A trailing comma, single quotes, ``True`` or a missing bracket could be mended in more than one
way, and what a model did not write is not its answer. Two different values are not an answer either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Wrapping = Literal["", "string", "fence", "prose"]
"""What surrounded a value: nothing, quotation marks (JSON written as a JSON string), a code fence, other words."""

MOST_VALUES, MOST_BROKEN = 100, 1000
"""JSON values, and brackets that begin none, that are looked at in one text."""

_OPEN = re.compile(r"""\{|\[\s{0,99}(?=["{\[\-\d\]]|true|false|null)""")
_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[{}\[\]]', re.DOTALL)
_FENCE_BEFORE = re.compile(r"(?:\A|\n)[ \t]{0,3}(?:```|~~~)[^\n`]{0,20}\Z")
_WHOLE_FENCE = re.compile(r"(?:```|~~~)[ \t]{0,9}[A-Za-z0-9]{0,10}\s(.*)(?:```|~~~)", re.DOTALL)

Fault = Callable[[Any], str | None]
"""What makes a parsed value useless, ``None`` for nothing."""


class UnreadableReplyError(ValueError):
    """The text holds no usable JSON value, or more than one; the message completes ``the reply is …``."""


@dataclass(frozen=True, slots=True)
class Value:
    """A parsed value, the JSON that it was parsed from, and what surrounded it."""

    data: Any
    text: str
    wrapping: Wrapping = ""


def parse(text: str) -> Any:
    """The value that ``text`` is as strict JSON, without NaN and infinity. Raises `ValueError`."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def find(text: str, fault: Fault) -> Value:
    """The one value in ``text`` without a ``fault``. Raises `UnreadableReplyError`.

    >>> find('Sure:\\n```json\\n{"a": 1}\\n```\\nAnything else?', lambda data: None)
    Value(data={'a': 1}, text='{"a": 1}', wrapping='fence')
    """
    try:
        data = parse(text)
    except ValueError as error:
        return _find_inside(text, fault, str(error))
    problem = fault(data)
    if problem is None:
        return Value(data, text)
    if isinstance(data, str):
        inner = _usable(data, fault)
        if inner is not None:
            return Value(inner, data, "string")
    raise UnreadableReplyError(problem)


def _usable(text: str, fault: Fault) -> Any:
    """``text`` as an object or list; ``None`` if it is neither, or unusable."""
    try:
        data = parse(text)
    except ValueError:
        return None
    return data if isinstance(data, dict | list) and fault(data) is None else None


def _find_inside(text: str, fault: Fault, why: str) -> Value:
    whole = _WHOLE_FENCE.fullmatch(text.strip())
    if whole:
        try:
            data = parse(whole[1])
        except ValueError as error:
            why = str(error)
        else:
            problem = fault(data)
            if problem is not None:
                raise UnreadableReplyError(problem)
            return Value(data, whole[1].strip(), "fence")
    values = _Values(text)
    good: dict[str, Value] = {}
    problems: list[str] = []
    for value in values:
        problem = fault(value.data)
        if problem is None:
            good.setdefault(json.dumps(value.data, sort_keys=True), value)
        else:
            problems.append(problem)
    if values.gave_up:
        raise UnreadableReplyError("not JSON (too many brackets in it to look for a value)")
    if len(good) == 1:
        return next(iter(good.values()))
    if good:
        raise UnreadableReplyError(f"ambiguous ({len(good)} different JSON values in it)")
    if problems:
        raise UnreadableReplyError(problems[0])
    raise UnreadableReplyError(f"not JSON ({values.broken or why})")


class _Values:
    """The objects and lists in a text, none of them part of another, or of something that only looks like JSON."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.broken = ""
        self.gave_up = False

    def __iter__(self) -> Iterator[Value]:
        text, at, read, failed = self._text, 0, 0, 0
        while found := _OPEN.search(text, at):
            if read == MOST_VALUES or failed == MOST_BROKEN:
                self.gave_up = True
                return
            start = found.start()
            try:
                data, at = _DECODER.raw_decode(text, start)
            except (ValueError, RecursionError) as error:
                failed += 1
                self.broken = self.broken or str(error)
                end = _end_of_brackets(text, start)
                if end is None:
                    return  # where it ends is not known: what follows may be part of it
                at = end
                continue
            read += 1
            yield Value(data, text[start:at], "fence" if _is_fenced(text, start) else "prose")


def _end_of_brackets(text: str, start: int) -> int | None:
    """The index of the closing bracket for that at ``start``, ignoring strings; ``None`` without one."""
    depth = 0
    for found in _BRACKETS.finditer(text, start):
        sign = found[0]
        if sign in ("{", "["):
            depth += 1
        elif sign in ("}", "]"):
            depth -= 1
            if depth == 0:
                return found.end()
    return None


def _is_fenced(text: str, start: int) -> bool:
    before = text[max(0, start - 60) : start].rstrip()
    return _FENCE_BEFORE.search(before) is not None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
