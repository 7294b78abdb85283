"""The cooperation game: `pytest -m experiment -k cooperation`."""

import pytest


@pytest.mark.experiment("cooperation")
def test_cooperation(cell):
    cell.run()
