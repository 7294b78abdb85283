"""The pytest plugin, registered by its entry point: options, cases, fixtures, overlap and reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.plugin.option_names import foreign_names, pytest_load_initial_conftests
from harness.plugin.options import pytest_addoption
from harness.plugin.selection import (
    MARKER,
    left_out,
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_generate_tests,
    selected,
)
from harness.plugin.state import message_of

__all__ = [
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_generate_tests",
    "pytest_load_initial_conftests",
]


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from harness.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*experiments): cases over (experiment, group, rep) of the experiments named or given; "
        "they run only under -m experiment.",
    )
    if selected(config):  # other test runs stay light
        from harness.plugin import collection, fixtures, suggestions

        modules: list[object] = [fixtures, suggestions]
        if collection.experiments_alone(config):
            modules.append(collection)
        if not config.option.collectonly:  # what plays trials is heavy, and a list of cases needs none of it
            from harness.plugin import overlap, session_report, workers
            from harness.plugin.state import state_of

            state_of(config).end_at_a_signal()
            modules += [overlap, session_report, *workers.hooks(config)]
        for module in modules:
            config.pluginmanager.register(module)


def pytest_report_header(config: pytest.Config) -> str | None:
    return (foreign_names(config) or None) if selected(config) else None


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> str | None:
    if left_out(config) and not items:
        return "Experiments run only when asked for: add -m experiment."
    return None


def pytest_exception_interact(
    node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any], report: pytest.CollectReport
) -> None:
    """A declaration at fault is shown by its place and message, without a traceback through this package."""
    raised = call.excinfo
    if (
        isinstance(report, pytest.CollectReport)
        and raised is not None
        and isinstance(raised.value, HarnessError)
    ):
        lines = [entry.lineno + 1 for entry in raised.traceback if entry.path == node.path]
        report.longrepr = (f"{node.path.name}:{lines[-1]}: " if lines else "") + message_of(
            node.config, raised.value
        )
