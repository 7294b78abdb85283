"""The loop of an experiment that iterates: each agent in turn proposes, decisions are kept, until it converges."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import raise_if_any
from harness.runner.convergence import Convergence
from harness.runner.output import OutputHandlerProtocol, Outputs, SilentOutput
from harness.runner.result import CONVERGED, ExperimentResult, ExperimentState, IterationRecord, Reason


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of one agent's turn: the proposed ``policy``, and ``delta``, its savings on the samples in cents.

    ``failure`` is why there was no proposal; such a turn decides nothing, and is never an acceptance.
    """

    accepted: bool
    policy: Any = None
    delta: int | None = None
    failure: str | None = None

    def __post_init__(self) -> None:
        if self.failure is not None and self.accepted:
            raise ValueError(f"a proposer failed ({self.failure}); expected accepted=False")


class BaseExperimentRunner(ABC):
    """Runs the loop; a subclass decides an agent's turn and computes the costs of policies.

    An iteration in which any proposer failed does not count for convergence, because an outage is not stability. After
    ``patience`` iterations in a row without a proposal the run ends with `Reason.PROPOSER_OUTAGE`. ``save`` is called
    with each iteration after its decisions and before its end is reported.
    Raises `ConfigurationError`.
    """

    def __init__(
        self,
        name: str,
        policies: Mapping[str, Any],
        *,
        max_iterations: int,
        convergence: Convergence | None = None,
        patience: int = 3,
        output: OutputHandlerProtocol | None = None,
        save: Callable[[IterationRecord], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        raise_if_any(_problems(name, policies, max_iterations, patience))
        self.name, self.max_iterations = name, max_iterations
        self._convergence, self._patience = convergence or Convergence(), patience
        self._output, self._save, self._clock = Outputs([output or SilentOutput()]), save, clock
        self._state = ExperimentState(name, policies=policies)
        self._history: list[IterationRecord] = []

    @abstractmethod
    async def decide(self, iteration: int, agent: str, policies: Mapping[str, Any]) -> Decision:
        """One agent's turn: its proposal, and whether it is better than ``policies[agent]``."""

    @abstractmethod
    async def evaluate(self, iteration: int, policies: Mapping[str, Any]) -> Mapping[str, int]:
        """What each agent costs under ``policies``, in whole cents."""

    def get_current_state(self) -> ExperimentState:
        """The state now; it advances while `run` is under way."""
        return self._state

    async def run(self) -> ExperimentResult:
        """Iterate until it converges or ends otherwise. Handlers hear of the end even where this raises."""
        began, result = self._clock(), None
        self._output.on_experiment_start(self.name)
        try:
            reason = await self._iterate()
            converged = reason in CONVERGED
            self._state = replace(
                self._state, is_converged=converged, convergence_reason=reason if converged else None
            )
            if converged:
                self._output.on_convergence(reason)
            last = self._history[-1]
            result = ExperimentResult(
                self.name,
                len(self._history),
                converged,
                reason,
                last.costs_per_agent,
                self._clock() - began,
                tuple(self._history),
                last.policies,
            )
            return result
        finally:
            self._output.on_experiment_complete(result)

    async def _iterate(self) -> Reason:
        for iteration in range(1, self.max_iterations + 1):
            self._state = self._state.with_iteration(iteration)
            self._output.on_iteration_start(iteration)
            await self._one(iteration)
            reason = self._convergence.reached(_decided(self._history))
            if reason is not None and not self._history[-1].failures:
                return reason
            if self._silent():
                return Reason.PROPOSER_OUTAGE
        return Reason.MAX_ITERATIONS

    async def _one(self, iteration: int) -> None:
        accepted: dict[str, bool] = {}
        failures: dict[str, str] = {}
        for agent in list(self._state.policies):
            decision = await self.decide(iteration, agent, self._state.policies)
            accepted[agent] = decision.accepted
            if decision.failure is not None:
                failures[agent] = decision.failure
            if decision.accepted:
                policies = {**self._state.policies, agent: decision.policy}
                self._state = replace(self._state, policies=policies)
            self._output.on_agent_optimized(agent, decision.accepted, decision.delta)
        costs = await self.evaluate(iteration, self._state.policies)
        record = IterationRecord(iteration, costs, accepted, failures, self._state.policies)
        self._save(record)
        self._history.append(record)
        metrics = {"total_cost": record.total_cost, "costs_per_agent": dict(record.costs_per_agent)}
        self._output.on_iteration_complete(iteration, metrics)

    def _silent(self) -> bool:
        latest = self._history[-self._patience :]
        return len(latest) == self._patience and all(
            one.failures.keys() == one.costs_per_agent.keys() for one in latest
        )


def _decided(history: Sequence[IterationRecord]) -> list[int]:
    """Total costs of the iterations in which every agent's proposal was decided on."""
    return [record.total_cost for record in history if not record.failures]


def _problems(name: str, policies: Mapping[str, Any], max_iterations: int, patience: int) -> Iterable[str]:
    if not policies:
        yield f"Experiment {name}: no agents; expected a policy to begin with for one or more."
    for what, value in (("max_iterations", max_iterations), ("patience", patience)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            yield f"Experiment {name}: {what}={value!r}; expected a whole number, 1 or more."
