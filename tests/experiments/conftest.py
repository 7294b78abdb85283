"""Two folders of notebooks: one written here, in our own words, and the published one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.experiments.table1.settings import TABLE
from harness.experiments.table1.words import packaged
from tests.support.notebooks import published, write_notebook


@pytest.fixture
def june() -> Path:
    return published()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with four notebooks of the family's structure, with our settings and the packaged words."""
    folder = tmp_path / "written"
    folder.mkdir()
    for row in TABLE:
        write_notebook(folder / row.notebook, row, packaged(row))
    return folder


@pytest.fixture(params=["written", pytest.param("published", marks=pytest.mark.tinytroupe)])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of four notebooks that a test may doctor: ours, then a copy of the published ones."""
    if request.param == "written":
        return request.getfixturevalue("written")
    source, copy = published(), tmp_path / "published"
    copy.mkdir()
    for row in TABLE:
        (copy / row.notebook).write_bytes((source / row.notebook).read_bytes())
    return copy


@pytest.fixture
def edit(folder: Path) -> Callable[[str, Callable[[str], str]], int]:
    """Change the code of one experiment's notebook; returns the number of the one cell that changed."""

    def change(experiment: str, replace: Callable[[str], str]) -> int:
        file = folder / next(row.notebook for row in TABLE if row.name == experiment)
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        changed = []
        for number, cell in enumerate(document["cells"]):
            before = "".join(cell["source"])
            cell["source"] = replace(before) if cell["cell_type"] == "code" else before
            changed += [number] * (cell["source"] != before)
        file.write_text(json.dumps(document), encoding="utf-8")
        assert len(changed) == 1, f"the test expected to change one cell, not {changed}"
        return changed[0]

    return change
