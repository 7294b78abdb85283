"""Collect experiments alone where ``-m`` selects nothing else.

Otherwise ``--count`` and parametrizations would expand a suite of thousands of items only to deselect them.
"""

from __future__ import annotations

import inspect

import pytest

from harness.plugin.internals import lacks, requires
from harness.plugin.selection import MARKER


def experiments_alone(config: pytest.Config) -> bool:
    """Whether the session runs nothing but experiments, and names no test by its node id.

    A node id that is not collected would be an error, where a deselected one is not.
    """
    return requires(config.getoption("markexpr", "") or "", MARKER) and not any(
        "::" in one for one in config.args
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Item | pytest.Collector] | None:
    """No items for a plain test function that cannot have the marker; everything else as pytest and plugins do it."""
    if type(collector) not in (pytest.Module, pytest.Class) or not collector.istestfunction(obj, name):
        return None
    function = getattr(obj, "__func__", obj)
    if not inspect.isfunction(function) or inspect.isgeneratorfunction(function):
        return None  # pytest warns of the one and refuses the other
    return [] if lacks(collector, function, MARKER, "harness") else None
