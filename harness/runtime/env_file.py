"""Environment variables from a file that the user names, such as one with keys. No file is read by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from harness.errors import raise_if_any
from harness.text_files import read_text

_LINE = re.compile(
    r"""(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*"""
    r"""(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<plain>[^"'\s#][^#]*?|))\s*(?:\s#.*)?"""
)
_ESCAPES: Mapping[str, str] = {r"\n": "\n", r"\t": "\t", r"\"": '"', r"\\": "\\", r"\$": "$"}


def read_env_file(path: Path) -> dict[str, str]:
    """The variables in ``path``, one ``NAME=VALUE`` a line; blank lines and ``#`` comments are skipped.

    Nothing is expanded. Raises `ConfigurationError` with the number of every line that is neither, without its text,
    which may hold a key.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(read_text(path, str(path)).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if match := _LINE.fullmatch(text):
            found[match["name"]] = _value(match)
        else:
            problems.append(
                f"{path}, line {number}: expected NAME=VALUE, with quotes around a value with spaces."
            )
    raise_if_any(problems)
    return found


def _value(match: re.Match[str]) -> str:
    if match["double"] is None:
        return match["single"] or match["plain"] or ""
    return re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), match["double"])
