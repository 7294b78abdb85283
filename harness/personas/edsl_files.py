"""Files that EDSL saves: JSON, JSON compressed with gzip, and packages (``.ep``), which are zip archives of JSON."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError
from harness.text_files import parse_json, read_content

MAX_BYTES = 1 << 26
"""The largest file, compressed or not: 64 MiB."""

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_LISTS = {"agent_order": ("agents", "agent_list"), "question_order": ("questions", "questions")}
_METADATA = ("memory_plan", "question_groups", "rule_collection")


def read_edsl(path: Path, owner: str) -> Any:
    """The data of an EDSL object, as its ``to_dict`` has it. Raises `ConfigurationError`."""
    content = read_content(path, owner, MAX_BYTES)
    if content.startswith(_ZIP):
        return _package(content, owner)
    if content.startswith(_GZIP):
        content = _decompressed(content, owner)
    return parse_json(content, owner)


def _decompressed(content: bytes, owner: str) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            found = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise ConfigurationError(f"{owner}: is damaged; expected a file compressed with gzip.") from None
    if len(found) > MAX_BYTES:
        raise ConfigurationError(f"{owner}: is larger than {MAX_BYTES:,} bytes; expected at most that.")
    return found


def _package(content: bytes, owner: str) -> dict[str, Any]:
    """A package as one object: the manifest's list in its order, and the other files in it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(one.file_size for one in archive.infolist()) > MAX_BYTES:
                raise ConfigurationError(
                    f"{owner}: is larger than {MAX_BYTES:,} bytes; expected at most that."
                )
            return _members(archive, owner)
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise ConfigurationError(
            f"{owner}: is not a package of EDSL ({str(error)[:100]}); expected a file that its save has written."
        ) from None


def _members(archive: zipfile.ZipFile, owner: str) -> dict[str, Any]:
    def member(name: str) -> Any:
        return parse_json(archive.read(name), f"{owner}, {name[:80]}")

    manifest = member("manifest.json")
    order = next((key for key in _LISTS if isinstance(manifest, dict) and key in manifest), None)
    if order is None or not isinstance(manifest[order], list):
        raise ConfigurationError(
            f"{owner}: holds no agents and no questions; expected an AgentList or a Survey."
        )
    folder, key = _LISTS[order]
    found = {**manifest, key: [member(f"{folder}/{one}.json") for one in manifest[order]]}
    names = set(archive.namelist())
    return found | {
        one: member(f"metadata/{one}.json") for one in _METADATA if f"metadata/{one}.json" in names
    }
