"""What can run an iterating experiment."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from harness.runner.result import ExperimentResult, ExperimentState


@runtime_checkable
class ExperimentRunnerProtocol(Protocol):
    """Runs one experiment, and can be asked how it stands meanwhile."""

    async def run(self) -> ExperimentResult:
        """Run to the end."""
        ...

    def get_current_state(self) -> ExperimentState:
        """The state now; it advances while `run` is under way."""
        ...
