"""The published artifacts, or a skip that says where they were looked for; and copies that a test may doctor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tinytroupe-june-2025"


def june_artifacts() -> Path:
    if not FOLDER.is_dir():
        pytest.skip(f"needs the published artifacts in {FOLDER}")
    return FOLDER


def copied(folder: Path, change: Callable[[str, dict[str, Any]], None] | None = None) -> Path:
    """A folder with the four artifacts, each changed by ``change`` (name, content) first."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in june_artifacts().glob("*.json"):
        content = json.loads(path.read_bytes())
        if change:
            change(path.name, content)
        (folder / path.name).write_text(json.dumps(content), "utf-8")
    return folder
