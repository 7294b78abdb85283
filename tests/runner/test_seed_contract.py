"""The names and behaviour that the runner framework's first users rely on."""

from __future__ import annotations

from typing import Protocol

import pytest

import harness.runner
from harness.runner.output import JSONLOutput, OutputHandlerProtocol, Outputs, RichOutput, SilentOutput
from harness.runner.protocol import ExperimentRunnerProtocol
from harness.runner.result import ExperimentResult, ExperimentState, IterationRecord

CALLBACKS = (
    "on_experiment_start", "on_iteration_start", "on_iteration_complete", "on_agent_optimized", "on_convergence",
    "on_experiment_complete",
)  # fmt: skip


def test_everything_can_be_had_from_the_package() -> None:
    for name in (
        "OutputHandlerProtocol", "SilentOutput", "IterationRecord", "ExperimentState", "ExperimentResult",
        "ExperimentRunnerProtocol", "BaseExperimentRunner", "RichOutput", "JSONLOutput",
    ):  # fmt: skip
        assert getattr(harness.runner, name).__name__ == name


@pytest.mark.parametrize("handler", [SilentOutput(), RichOutput(), Outputs([])])
def test_handlers_are_told_by_their_methods(handler: object) -> None:
    assert isinstance(handler, OutputHandlerProtocol)
    assert all(hasattr(OutputHandlerProtocol, name) for name in CALLBACKS)


def test_a_file_is_a_handler_too(tmp_path) -> None:
    assert isinstance(JSONLOutput(tmp_path / "events.jsonl"), OutputHandlerProtocol)


def test_a_runner_is_told_by_its_methods() -> None:
    class Runner:
        async def run(self) -> None: ...

        def get_current_state(self) -> None: ...

    assert issubclass(ExperimentRunnerProtocol, Protocol)  # type: ignore[arg-type]
    assert isinstance(Runner(), ExperimentRunnerProtocol)
    assert not isinstance(SilentOutput(), ExperimentRunnerProtocol)


def test_silence() -> None:
    output = SilentOutput()
    assert output.on_experiment_start("x") is None
    assert output.on_agent_optimized("BANK_A", accepted=True, delta=-100) is None
    assert output.on_experiment_complete(None) is None


def test_records_cannot_be_changed() -> None:
    record = IterationRecord(iteration=1, costs_per_agent={"A": 1000}, accepted_changes={})
    state = ExperimentState(experiment_name="test")
    assert (state.current_iteration, state.is_converged, state.convergence_reason) == (0, False, None)
    for thing, name in ((record, "iteration"), (state, "current_iteration")):
        with pytest.raises(AttributeError):
            setattr(thing, name, 2)
    assert state.with_iteration(5).current_iteration == 5 and state.current_iteration == 0


def test_a_result_by_name() -> None:
    result = ExperimentResult(
        experiment_name="test",
        num_iterations=10,
        converged=True,
        convergence_reason="stability_reached",
        final_costs={"BANK_A": 500},
        total_duration_seconds=120.5,
    )
    assert (result.num_iterations, result.iteration_history, result.final_policies) == (10, (), {})
    assert result.best is None and result.last is None
