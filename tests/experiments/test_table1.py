"""The TinyTroupe Table 1 replication: `pytest -m experiment -k exp_3`."""

import pytest


@pytest.mark.experiment("table1")
def test_table1(cell):
    cell.run()
