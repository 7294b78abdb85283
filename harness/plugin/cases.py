"""The test file behind `harness run` and `harness.run`."""

from __future__ import annotations

import pytest

from harness.plugin.fixtures import CellHandle


@pytest.mark.experiment
def test_experiment(cell: CellHandle) -> None:
    cell.run()
