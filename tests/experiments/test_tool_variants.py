"""Tool variants × scenarios: `pytest -m experiment -k tool_variants`."""

import pytest


@pytest.mark.experiment("tool_variants")
def test_tool_variants(cell):
    cell.run()
