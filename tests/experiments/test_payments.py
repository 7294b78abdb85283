"""Payments: `pytest -m experiment -k payments`."""

import pytest


@pytest.mark.experiment("payments")
def test_payments(cell):
    cell.run()
