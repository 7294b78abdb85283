"""The code of runs, kept so that a later session can show what changed. Its absence is harmless."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, HarnessError
from harness.records.atomic import write_atomic
from harness.records.json_safe import NOT_SET, shown
from harness.records.writer import safe_name
from harness.text_files import read_json

FOLDER = "code"
VALUE = "value of "
"""Begins the names of values that were computed at import; others have source."""
SHORT = 16
"""Characters of a hash that are shown."""
LISTED = 8
"""Names of changed definitions that are shown."""
DIFF_LINES, DIFF_COLUMNS = 12, 100
"""How much of a change is shown."""
_SENTENCE = re.compile(r"(?<=[.!?]) +")


def keep_code(results_dir: Path, sha256: str, readable: Mapping[str, str]) -> None:
    """Keep definitions (name → source) under the hash of the code that they are, once."""
    with suppress(HarnessError, OSError):
        write_atomic(_path(results_dir, sha256), dict(readable))


def is_kept(results_dir: Path, sha256: str) -> bool:
    return _path(results_dir, sha256).exists()


def kept_code(results_dir: Path, sha256: str) -> Mapping[str, str] | None:
    """The definitions under that hash; ``None`` where they cannot be read."""
    with suppress(ConfigurationError):
        found = read_json(_path(results_dir, sha256), "Kept code")
        if isinstance(found, dict) and all(isinstance(one, str) for one in found.values()):
            return found
    return None


def _path(results_dir: Path, sha256: str) -> Path:
    return results_dir / FOLDER / f"{safe_name(sha256)}.json"


def setting_lines(results_dir: Path, changed: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    """Settings that differ, then and now, a line each; of code and words below it what changed, where that is kept."""
    for key, (then, now) in changed.items():
        if NOT_SET in (then, now) or not (isinstance(then, str) and isinstance(now, str)):
            yield f"  {key}: {shown(then)} then, {shown(now)} now"
        elif _is_hash(key):
            yield f"  {key}: {then[:SHORT]} then, {now[:SHORT]} now"
            yield from code_difference(results_dir, then, now)
        elif max(len(then), len(now)) > DIFF_COLUMNS or "\n" in then + now:
            yield f"  {key}:"
            yield from (f"    {line}" for line in _cut(text_difference(then, now)))
        else:
            yield f"  {key}: {then!r} then, {now!r} now"


def _is_hash(key: str) -> bool:
    """Whether a setting is the hash of something that is kept: code, words, people."""
    name = key.rpartition(": ")[2]
    return name == "code" or name in ("script", "population") or "code" in name.split(".")[:-1]


def text_difference(then: str, now: str) -> Iterator[str]:
    """The lines that differ; where a text is one line, its sentences.

    >>> list(text_difference("Be kind. Be brief.", "Be kind. Be long."))
    ['-Be brief.', '+Be long.']
    """
    old, new = (text.splitlines() if "\n" in then + now else _SENTENCE.split(text) for text in (then, now))
    for line in difflib.unified_diff(old, new, n=0, lineterm=""):
        if not line.startswith(("@@", "---", "+++")):
            yield line[:DIFF_COLUMNS]


def code_difference(results_dir: Path, then: str, now: str) -> Iterator[str]:
    """The definitions in which two codes differ, with a short diff; nothing where one of them was not kept."""
    old, new = kept_code(results_dir, then), kept_code(results_dir, now)
    if old is None or new is None:
        return
    names, lines = changes(old, new)
    if names:
        yield f"    changed: {', '.join(names[:LISTED])}{' and others' if len(names) > LISTED else ''}"
        yield from (f"    {line}" for line in lines)


def changes(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The names of definitions that differ, and a short diff of them."""
    differing = {name for name in {*then, *now} if then.get(name) != now.get(name)}
    names = [
        name
        for name in sorted(differing)
        if not name.startswith(VALUE) or name.removeprefix(VALUE) not in differing
    ]
    lines: list[str] = []
    for name in names:
        old, new = (text.get(name, "").splitlines() for text in (then, now))
        found = list(difflib.unified_diff(old, new, n=1, lineterm=""))[2:]
        lines += [line[:DIFF_COLUMNS] for line in found if not line.startswith("@@")]
    return names, _cut(lines)


def _cut(lines: Iterable[str]) -> list[str]:
    found = list(lines)
    more = len(found) - DIFF_LINES
    return [*found[:DIFF_LINES], f"… and {more} more lines"] if more > 0 else found
