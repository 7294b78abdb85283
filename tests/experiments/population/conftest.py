"""Fixtures of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.populations import population_command
from tests.support.studies import bench

__all__ = ["bench"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town of 40 whose simulation is done."""
    folder = tmp_path_factory.mktemp("finished") / "town"
    assert population_command("example", folder)[0] == 0
    for words in (
        ("sample", folder / "population.yaml", "-o", folder / "agents.json", "--count", 40),
        ("network", folder / "agents.json", "-o", folder / "network.json"),
        ("simulate", folder / "scenario.yaml", "-o", folder / "results"),
    ):
        assert population_command(*words)[0] == 0
    return folder
