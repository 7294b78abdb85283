"""The state and the result of an iterating experiment, immutable with all nested parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from harness.errors import ConfigurationError
from harness.model.frozen import cents, frozen


class Reason(StrEnum):
    """Why an experiment ended. The list is closed."""

    STABILITY_REACHED = "stability_reached"
    IMPROVEMENT_THRESHOLD = "improvement_threshold"
    BOOTSTRAP_CONVERGED = "bootstrap_converged"
    MAX_ITERATIONS = "max_iterations"
    PROPOSER_OUTAGE = "proposer_outage"


CONVERGED = frozenset({Reason.STABILITY_REACHED, Reason.IMPROVEMENT_THRESHOLD, Reason.BOOTSTRAP_CONVERGED})
"""The reasons that are convergence. Hitting the cap is none, and neither is a proposer that does not answer."""


@dataclass(frozen=True)
class IterationRecord:
    """One iteration: each agent's cost after it, in whole cents, and the accepted changes.

    An agent whose proposer failed is in ``failures`` with the reason, and not accepted in ``accepted_changes``. The
    costs are those of ``policies``. Raises `ConfigurationError` for a cost that is not whole cents.
    """

    iteration: int
    costs_per_agent: Mapping[str, int]
    accepted_changes: Mapping[str, bool]
    failures: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _set(self, "costs_per_agent", cents(f"Iteration {self.iteration}", self.costs_per_agent))
        _freeze(self, "accepted_changes", "failures", "policies")
        accepted = [agent for agent in self.failures if self.accepted_changes.get(agent)]
        if accepted:
            raise ConfigurationError(
                f"Iteration {self.iteration}: {', '.join(accepted)} is listed as accepted, but its proposer failed; "
                "a failure is never an acceptance."
            )

    @property
    def total_cost(self) -> int:
        """Of all agents together, in cents."""
        return sum(self.costs_per_agent.values())


@dataclass(frozen=True)
class ExperimentState:
    """An experiment under way. ``convergence_reason`` is one of `Reason` once it has converged."""

    experiment_name: str
    current_iteration: int = 0
    is_converged: bool = False
    convergence_reason: str | None = None
    policies: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _freeze(self, "policies")

    def with_iteration(self, iteration: int) -> ExperimentState:
        """The same state at another iteration."""
        return replace(self, current_iteration=iteration)


@dataclass(frozen=True)
class ExperimentResult:
    """The result of an experiment: the last state, the best one, and every iteration.

    ``final_costs`` (whole cents) and ``final_policies`` are those of the last iteration. Raises `ConfigurationError`
    for a cost that is not whole cents, a reason that is not in `Reason`, or one that ``converged`` contradicts.
    """

    experiment_name: str
    num_iterations: int
    converged: bool
    convergence_reason: str
    final_costs: Mapping[str, int]
    total_duration_seconds: float
    iteration_history: tuple[IterationRecord, ...] = ()
    final_policies: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _set(self, "final_costs", cents(f"Result of {self.experiment_name}", self.final_costs))
        _set(self, "iteration_history", tuple(self.iteration_history))
        _freeze(self, "final_policies")
        if self.convergence_reason not in set(Reason):
            raise ConfigurationError(
                f"Result of {self.experiment_name}: convergence_reason={self.convergence_reason!r}; "
                f"expected one of {', '.join(Reason)}."
            )
        if self.converged != (self.convergence_reason in CONVERGED):
            says = "converged" if self.converged else "not converged"
            raise ConfigurationError(
                f"Result of {self.experiment_name}: {says}, for {self.convergence_reason}; "
                f"converged are {', '.join(sorted(CONVERGED))}, and no other."
            )

    @property
    def best(self) -> IterationRecord | None:
        """The iteration of the lowest total cost, the earliest among equals; ``None`` without a history."""
        return min(self.iteration_history, key=lambda one: (one.total_cost, one.iteration), default=None)

    @property
    def last(self) -> IterationRecord | None:
        """The iteration that was the last; ``None`` without a history."""
        return self.iteration_history[-1] if self.iteration_history else None


def _freeze(instance: object, *names: str) -> None:
    for name in names:
        _set(instance, name, frozen(getattr(instance, name)))


def _set(instance: object, name: str, value: object) -> None:
    object.__setattr__(instance, name, value)
