"""Hooks of an experiment session, to implement in a conftest or a plugin.

A plugin that must also load without this package marks its implementations ``@pytest.hookimpl(optionalhook=True)``. An
implementation that raises is named and counted in the summary; it costs no finished work and no other plugin's turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.model import Check
    from harness.records import FiledRun
    from harness.runtime.runs import Conclusion
    from harness.telemetry.events import CallEnded, TrialEnded


def pytest_harness_run_start(
    config: pytest.Config, experiment: str, run_id: str, facts: Mapping[str, Any]
) -> None:
    """Called once for each run that the session works on, before its first trial; on a background thread.

    ``facts`` are the settings that identify the session: provider, model, engine, mode, seed.
    """


def pytest_harness_trial_finished(config: pytest.Config, trial: TrialEnded) -> None:
    """Called when a trial has ended and is on disk; on a background thread, in order.

    ``trial.failure`` is ``None`` when it finished, and ``trial.samples`` are its measurements then.
    """


def pytest_harness_call(config: pytest.Config, call: CallEnded) -> None:
    """Called after each attempt at a model call, replayed ones included; on a background thread, in order."""


def pytest_harness_artifact_written(
    config: pytest.Config, experiment: str, run_id: str, artifact: Path, records: Sequence[Path]
) -> None:
    """Called at the session's end for each artifact; its metadata is in ``*.meta.json`` next to it."""


def pytest_harness_checks(config: pytest.Config, run: FiledRun) -> Iterable[Check]:  # type: ignore[empty-body]
    """Return additional validity checks of a run, at the session's end. They go into the metadata and the summary."""


def pytest_harness_summary(
    config: pytest.Config, terminalreporter: pytest.TerminalReporter, conclusions: Sequence[Conclusion]
) -> None:
    """Write to the terminal below the session's summary; ``conclusions`` has the files and metadata of each run."""
