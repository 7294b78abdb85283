"""Artifacts are laid out as Python's own writer lays them out, whatever is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.json_safe import indented

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


@given(DATA)
def test_it_is_pythons_own_layout(data: Any) -> None:
    assert indented(data) == json.dumps(data, indent=4, ensure_ascii=False, allow_nan=False)


@pytest.mark.parametrize(
    "data", [float("nan"), [1.0, float("inf")], {1: "x"}, {"a": {1: 2}}, [object()], {"a": {1}}]
)
def test_what_is_no_json_is_refused(data: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        indented(data)
