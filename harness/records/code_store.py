"""The code that runs were made of, kept so that a later session can show what changed. Its absence is harmless."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harness.errors import ConfigurationError, HarnessError
from harness.records.atomic import write_atomic
from harness.records.writer import safe_name
from harness.text_files import read_json

FOLDER = "code"


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
