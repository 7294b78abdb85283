"""One stream of events: a run emits plain data, from which handlers are called, live or in a replay.

Console, file and replay get the same data from the same function, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.errors import HarnessError
from harness.runner.output import OutputHandlerProtocol, Outputs
from harness.runner.result import ExperimentResult, IterationRecord

Event = Mapping[str, Any]
"""Plain data: ``event`` is its name, the other keys are its arguments."""


class EventStream:
    """A handler that keeps every event in ``events`` and passes it on to ``handlers``; one that raises is let go."""

    def __init__(self, handlers: Iterable[OutputHandlerProtocol] = ()) -> None:
        self.events: list[Event] = []
        self._handlers = Outputs(handlers)

    def _keep(self, event: str, **data: Any) -> None:
        self.events.append({"event": event, **data})
        tell(self.events[-1], self._handlers)

    def on_experiment_start(self, experiment_name: str) -> None:
        self._keep("experiment_start", experiment_name=experiment_name)

    def on_iteration_start(self, iteration: int) -> None:
        self._keep("iteration_start", iteration=iteration)

    def on_iteration_complete(self, iteration: int, metrics: dict[str, Any]) -> None:
        self._keep("iteration_complete", iteration=iteration, metrics=metrics)

    def on_agent_optimized(self, agent_id: str, accepted: bool, delta: int | None = None) -> None:
        self._keep("agent_optimized", agent_id=agent_id, accepted=accepted, delta=delta)

    def on_convergence(self, reason: str) -> None:
        self._keep("convergence", reason=str(reason))

    def on_experiment_complete(self, result: Any) -> None:
        self._keep("experiment_complete", result=None if result is None else result_data(result))


_TOLD: Mapping[str, tuple[str, ...]] = {
    "experiment_start": ("experiment_name",),
    "iteration_start": ("iteration",),
    "iteration_complete": ("iteration", "metrics"),
    "agent_optimized": ("agent_id", "accepted", "delta"),
    "convergence": ("reason",),
}


def tell(event: Event, handler: OutputHandlerProtocol) -> None:
    """Tell ``handler`` of one event. Raises `HarnessError` for one that is none of ours."""
    try:
        name = str(event["event"])
        if name == "experiment_complete":
            result = event["result"]
            handler.on_experiment_complete(None if result is None else result_from(result))
        else:
            said = [event[key] for key in _TOLD[name]]
            getattr(handler, f"on_{name}")(*said)
    except (AttributeError, KeyError, TypeError) as error:
        raise HarnessError(
            f"An event cannot be read ({error!r}): {event!r:.80}; expected one of a run's own."
        ) from error


def result_data(result: ExperimentResult) -> dict[str, Any]:
    """A result as plain data; `result_from` reads it."""
    return {
        "experiment_name": result.experiment_name,
        "num_iterations": result.num_iterations,
        "converged": result.converged,
        "convergence_reason": str(result.convergence_reason),
        "final_costs": dict(result.final_costs),
        "total_duration_seconds": result.total_duration_seconds,
        "iteration_history": [iteration_data(one) for one in result.iteration_history],
        "final_policies": dict(result.final_policies),
    }


def iteration_data(record: IterationRecord) -> dict[str, Any]:
    """One iteration as plain data."""
    return {
        "iteration": record.iteration,
        "costs_per_agent": dict(record.costs_per_agent),
        "accepted_changes": dict(record.accepted_changes),
        "failures": dict(record.failures),
        "policies": dict(record.policies),
    }


def result_from(data: Mapping[str, Any]) -> ExperimentResult:
    """The result that ``data`` holds. Raises `TypeError` or `ConfigurationError` where it holds none."""
    history = tuple(IterationRecord(**one) for one in data["iteration_history"])
    return ExperimentResult(**{**data, "iteration_history": history})
