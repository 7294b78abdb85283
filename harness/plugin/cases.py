"""The cases of experiments that were asked for by name or given as objects: what `harness run` hands to pytest."""

from __future__ import annotations

import pytest

from harness.plugin.fixtures import CellHandle


@pytest.mark.experiment
def test_experiment(cell: CellHandle) -> None:
    cell.run()
