"""The TinyTroupe Table 1 replication: `pytest -m experiment -k exp_3`."""

import pytest


@pytest.mark.experiment("exp_1", "exp_2_1", "exp_2_2", "exp_3")
def test_table1(cell):
    cell.run()
