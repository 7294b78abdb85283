"""Output handlers of an iterating experiment: for people, for files, or none."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from harness.console import logger, visible

log = logger()


@runtime_checkable
class OutputHandlerProtocol(Protocol):
    """What an experiment tells, in this order.

    Start → (iteration start → agent optimized* → iteration complete)* → convergence? → complete.
    """

    def on_experiment_start(self, experiment_name: str) -> None:
        """The experiment begins."""
        ...

    def on_iteration_start(self, iteration: int) -> None:
        """An iteration begins; they count from 1."""
        ...

    def on_iteration_complete(self, iteration: int, metrics: dict[str, Any]) -> None:
        """An iteration has ended. ``metrics`` has ``total_cost`` and ``costs_per_agent``, in cents."""
        ...

    def on_agent_optimized(self, agent_id: str, accepted: bool, delta: int | None = None) -> None:
        """An agent's proposal was decided on. ``delta`` is what it saves in cents, ``None`` where there was none."""
        ...

    def on_convergence(self, reason: str) -> None:
        """The experiment converged."""
        ...

    def on_experiment_complete(self, result: Any) -> None:
        """The experiment has ended, with its result; with ``None`` where it was cut off."""
        ...


class SilentOutput:
    """Says nothing."""

    def on_experiment_start(self, experiment_name: str) -> None: ...

    def on_iteration_start(self, iteration: int) -> None: ...

    def on_iteration_complete(self, iteration: int, metrics: dict[str, Any]) -> None: ...

    def on_agent_optimized(self, agent_id: str, accepted: bool, delta: int | None = None) -> None: ...

    def on_convergence(self, reason: str) -> None: ...

    def on_experiment_complete(self, result: Any) -> None: ...


def dollars(cents: int | None) -> str:
    """Cents as people read them: ``$1,234.50``; a dash for none."""
    if cents is None:
        return "–"
    return f"{'-' if cents < 0 else ''}${abs(cents) // 100:,}.{abs(cents) % 100:02}"


class RichOutput(SilentOutput):
    """Writes what happens to a console, a line per agent and iteration. ``file`` is standard output without another."""

    def __init__(self, file: IO[str] | None = None, *, width: int | None = None) -> None:
        from rich.console import Console

        self._console = Console(
            file=file or sys.stdout, width=width, highlight=False, markup=False, soft_wrap=True
        )

    def _print(self, text: str, style: str | None = None) -> None:
        self._console.print(visible(text), style=style)

    def on_experiment_start(self, experiment_name: str) -> None:
        self._print(experiment_name, style="bold")

    def on_iteration_start(self, iteration: int) -> None:
        self._print(f"Iteration {iteration}")

    def on_agent_optimized(self, agent_id: str, accepted: bool, delta: int | None = None) -> None:
        if delta is None:
            said, style = "no proposal", "yellow"
        else:
            word, style = ("accepted", "green") if accepted else ("rejected", "dim")
            said = f"{word}, {'saves' if delta >= 0 else 'costs'} {dollars(abs(delta))}"
        self._print(f"  {agent_id}: {said}", style=style)

    def on_iteration_complete(self, iteration: int, metrics: dict[str, Any]) -> None:  # noqa: ARG002
        costs = metrics.get("costs_per_agent", {})
        each = ", ".join(f"{agent} {dollars(cost)}" for agent, cost in costs.items())
        self._print(f"  total {dollars(metrics.get('total_cost'))}{f' ({each})' if each else ''}")

    def on_convergence(self, reason: str) -> None:
        self._print(f"Converged: {reason.replace('_', ' ')}.", style="bold green")

    def on_experiment_complete(self, result: Any) -> None:
        if result is None:
            self._print("Cut off; nothing is claimed.", style="bold red")
            return
        best, last = result.best, result.last
        if not result.converged:
            self._print(f"Not converged: {result.convergence_reason.replace('_', ' ')}.", style="yellow")
        if best is not None and last is not None:
            self._print(
                f"Best: iteration {best.iteration}, {dollars(best.total_cost)}. "
                f"Last: iteration {last.iteration}, {dollars(last.total_cost)}."
            )


class JSONLOutput:
    """Appends one JSON object per event to a file, flushed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _write(self, event: str, **data: Any) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **data}, allow_nan=False, ensure_ascii=False) + "\n")

    def on_experiment_start(self, experiment_name: str) -> None:
        self._write("experiment_start", experiment_name=experiment_name)

    def on_iteration_start(self, iteration: int) -> None:
        self._write("iteration_start", iteration=iteration)

    def on_iteration_complete(self, iteration: int, metrics: dict[str, Any]) -> None:
        self._write("iteration_complete", iteration=iteration, metrics=metrics)

    def on_agent_optimized(self, agent_id: str, accepted: bool, delta: int | None = None) -> None:
        self._write("agent_optimized", agent_id=agent_id, accepted=accepted, delta=delta)

    def on_convergence(self, reason: str) -> None:
        self._write("convergence", reason=reason)

    def on_experiment_complete(self, result: Any) -> None:
        ended = None
        if result is not None:
            ended = {
                "num_iterations": result.num_iterations,
                "converged": result.converged,
                "convergence_reason": result.convergence_reason,
                "final_costs": result.final_costs,
                "best_iteration": result.best.iteration if result.best else None,
            }
        self._write("experiment_complete", result=ended)


class Outputs:
    """Several handlers as one. One that raises is disabled with one log message, and the run continues."""

    def __init__(self, handlers: Iterable[OutputHandlerProtocol]) -> None:
        self._handlers = list(handlers)

    def _tell(self, event: str, *arguments: Any) -> None:
        for handler in list(self._handlers):
            try:
                getattr(handler, event)(*arguments)
            except Exception as error:
                self._handlers.remove(handler)
                kind = type(handler).__name__
                log.warning("%s raised %s: %s; it is disabled.", kind, type(error).__name__, error)

    def on_experiment_start(self, experiment_name: str) -> None:
        self._tell("on_experiment_start", experiment_name)

    def on_iteration_start(self, iteration: int) -> None:
        self._tell("on_iteration_start", iteration)

    def on_iteration_complete(self, iteration: int, metrics: dict[str, Any]) -> None:
        self._tell("on_iteration_complete", iteration, metrics)

    def on_agent_optimized(self, agent_id: str, accepted: bool, delta: int | None = None) -> None:
        self._tell("on_agent_optimized", agent_id, accepted, delta)

    def on_convergence(self, reason: str) -> None:
        self._tell("on_convergence", reason)

    def on_experiment_complete(self, result: Any) -> None:
        self._tell("on_experiment_complete", result)
