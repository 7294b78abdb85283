"""The turn of a case: its cell's trials are waited for, or started now."""

from __future__ import annotations

from concurrent.futures import wait
from typing import Any

import pytest

from harness.console import write_line
from harness.errors import ExitCode, HarnessError, LostRepliesError
from harness.plugin.internals import uncaptured
from harness.plugin.progress import Display
from harness.plugin.state import PluginState, message_of
from harness.runtime.cells import CellOutcome
from harness.runtime.plan import CellPlan
from harness.runtime.session import TICK


def say_notes(state: PluginState) -> None:
    """Print the messages of the runs, once."""
    reporter: Any = state.config.pluginmanager.get_plugin("terminalreporter")
    notes = state.coordinator.notes if state.coordinator is not None else []
    while notes:
        note = notes.pop(0)
        if reporter is not None:
            with uncaptured(state.config):
                reporter.ensure_newline()
                write_line(reporter, note)
                reporter.flush()


def play(state: PluginState, nodeid: str, plan: CellPlan) -> CellOutcome:
    """The outcome of a cell whose turn has come: of the trials started ahead, or started now."""
    __tracebackhide__ = True
    session = state.session
    assert session is not None
    cell_run = state.prepared.pop(nodeid, None)
    if cell_run is None or not same_plan(cell_run.plan, plan):
        try:
            cell_run = session.submit([plan])[0]
        except LostRepliesError as error:
            pytest.exit(message_of(state.config, error), returncode=int(ExitCode.USAGE))
        except HarnessError as error:
            pytest.fail(message_of(state.config, error), pytrace=False)
        say_notes(state)
    with Display.of(state.config) as display:

        def tick() -> None:
            say_notes(state)
            display.show(state.coordinator)

        outcome = session.wait(cell_run, tick)
    say_notes(state)
    cell_run.output.replay()
    state.outcomes[nodeid] = (plan.cell, outcome)
    if session.stopped:
        pytest.exit(message_of(state.config, session.stopped), returncode=int(session.coordinator.exit_code))
    return outcome


def compare(state: PluginState) -> None:
    """Make the pairwise comparisons of the session's runs, after all cells. Ends the session as `play` does."""
    __tracebackhide__ = True
    coordinator = state.coordinator
    if coordinator is None or coordinator.stopped or not coordinator.has_comparisons:
        return
    work = coordinator.loop.submit(coordinator.compare())
    with Display.of(state.config) as display:
        while coordinator.loop.lost is None and wait([work], timeout=TICK).not_done:
            display.show(coordinator)
    if work.done():
        work.result()
    if coordinator.stopped:
        pytest.exit(message_of(state.config, coordinator.stopped), returncode=int(coordinator.exit_code))


def same_plan(ahead: CellPlan, now: CellPlan) -> bool:
    """Whether the fixtures gave the same this time, so that the trials started ahead are the case's own."""
    return _identity(ahead) == _identity(now)


def _identity(plan: CellPlan) -> tuple[Any, ...]:
    return (
        plan.cell,
        plan.mode,
        plan.population.personas,
        plan.group,
        plan.engine,
        plan.reps,
        tuple(trial.trial for trial in plan.trials),
    )
