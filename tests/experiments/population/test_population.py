"""A town hears of a plan, with and without word of mouth: `pytest -m experiment -k population`."""

import pytest


@pytest.mark.experiment("population")
def test_population(cell):
    cell.run()
