"""F21: hitting the iteration cap is reported as convergence. Here it is a reason of its own, and said to be none."""

from __future__ import annotations

import pytest
from support.payments import optimise, played, proposing, solved, values

from harness.errors import ConfigurationError
from harness.runner import ExperimentResult
from harness.runner.result import Reason

FALLING = tuple(range(390_000, 100_000, -10_000))


def test_a_run_that_is_cut_off_by_the_cap_has_not_converged() -> None:
    _, result, _ = optimise(solved(max_iterations=6), proposing(*FALLING))
    assert (result.converged, result.convergence_reason) == (False, Reason.MAX_ITERATIONS)
    trial, _ = played(solved(max_iterations=6), proposing(*FALLING))
    assert values(trial)["converged"] == 0.0 and trial.details["convergence_reason"] == "max_iterations"
    assert not [event for event in trial.details["events"] if event["event"] == "convergence"]


def test_a_run_that_settles_has() -> None:
    trial, _ = played(solved(max_iterations=40), proposing(100_000, 50_000))
    assert values(trial)["converged"] == 1.0 and trial.details["convergence_reason"] == "stability_reached"


@pytest.mark.parametrize("iterations", [3, 4])
def test_the_window_needs_one_value_more_than_its_length(iterations: int) -> None:
    _, result, _ = optimise(solved(max_iterations=iterations, window=3), proposing(400_000))
    assert result.converged == (iterations == 4)


def test_no_result_can_say_otherwise() -> None:
    with pytest.raises(ConfigurationError, match="converged, for max_iterations"):
        ExperimentResult("x", 6, True, "max_iterations", {}, 1.0)
