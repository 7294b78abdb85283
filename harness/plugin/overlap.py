"""Overlap the cases of a session: set each up ahead of its turn, freeze it into a plan, and start its trials."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import pytest

from harness.errors import ConfigurationError, HarnessError, raise_if_any
from harness.plugin import fixtures
from harness.plugin.internals import (
    fill,
    generator_fixtures,
    keep_trial_logs_apart,
    keep_trial_prints_apart,
    only_pytest_sets_up,
    set_up,
)
from harness.plugin.progress import Display
from harness.plugin.selection import case_of, same_cell
from harness.plugin.state import PluginState, invitation_of, message_of, state_of
from harness.plugin.turn import compare, same_plan, say_notes
from harness.runtime.coordinator import Coordinator
from harness.runtime.plan import CellPlan
from harness.runtime.remote import RemoteCoordinator
from harness.runtime.session import Session

RARELY = (20_000, 20, 20)
"""Thresholds of Python's garbage collector while cases run."""


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    config = session.config
    cases = [item for item in session.items if case_of(item) is not None]
    if (
        config.option.collectonly
        or not cases
        or (session.testsfailed and not config.option.continue_on_collection_errors)
    ):
        return (yield)
    with keep_trial_prints_apart(config), _collecting_rarely():
        try:
            _start_all(config, cases)
        except HarnessError as error:
            raise pytest.UsageError(message_of(config, error)) from None
        result = yield
        compare(state_of(config))
        return result


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Collect garbage rarely: cases, plans and modules stay to the end of the session."""
    thresholds = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _start_all(config: pytest.Config, cases: list[pytest.Item]) -> None:
    state = state_of(config)
    _start(state, cases)
    if _may_overlap(config):
        _prepare(state, [item for item in cases if isinstance(item, pytest.Function)])
    say_notes(state)


def _start(state: PluginState, cases: list[pytest.Item]) -> None:
    """Start the session with a coordinator, or as a worker of another process's coordinator."""
    invitation = invitation_of(state.config)
    if invitation is None:
        start_coordinator(state).expect(len(cases))
    else:
        coordinator = RemoteCoordinator(**invitation)
        coordinator.start()
        state.session = Session(state.settings, state.parts().engine, coordinator)
        state.session.start()
    keep_trial_logs_apart(state.config)


def start_coordinator(state: PluginState) -> Coordinator:
    """Start a coordinator and its session."""
    option = state.config.option
    selection = {"k": option.keyword or "", "m": option.markexpr or ""}
    settings, parts = state.settings, state.parts()
    state.coordinator = Coordinator(settings, parts, root=state.config.rootpath, selection=selection)
    state.coordinator.start()
    state.session = Session(settings, parts.engine, state.coordinator)
    state.session.start()
    return state.coordinator


def pytest_runtest_setup(item: pytest.Item) -> None:
    if case_of(item) is not None and isinstance(item, pytest.Function) and not _shows_set_up(item.config):
        fill(item, fixtures.__name__)


def _may_overlap(config: pytest.Config) -> bool:
    return invitation_of(config) is None and not (config.option.usepdb or _shows_set_up(config))


def _shows_set_up(config: pytest.Config) -> bool:
    option = config.option
    return bool(option.setuponly or option.setupshow or getattr(option, "setupplan", False))


def _prepare(state: PluginState, items: list[pytest.Function]) -> None:
    """Set up the cases that may run ahead, keep their plans, and start all trials with the arms interleaved.

    Fail fast: raise `ConfigurationError` with every invalid fixture before any trial starts.
    """
    able = [item for item in items if _may_run_ahead(state, item)]
    plans: dict[str, CellPlan] = {}
    problems: dict[str, None] = {}
    for item, following in zip_longest(able, able[1:]):
        try:
            plan = _freeze(state, item, following)
        except ConfigurationError as error:
            problems.update(dict.fromkeys(error.problems))
        else:
            plans.update({item.nodeid: plan} if plan is not None else {})
    raise_if_any(problems or dict.fromkeys(_same_cells(able, plans)))
    assert state.session is not None
    with Display.of(state.config) as display:
        started = state.session.submit(list(plans.values()), lambda: display.show(state.coordinator))
    state.prepared = dict(zip(plans, started, strict=True))


def _same_cells(items: list[pytest.Function], plans: dict[str, CellPlan]) -> Iterator[str]:
    """Find tests whose parameters reach fixtures but do not change their cell."""
    members: dict[tuple[Any, ...], list[pytest.Function]] = {}
    for item in items:
        if item.nodeid in plans:
            plan = plans[item.nodeid]
            trials = (plan.cell, tuple(trial.trial for trial in plan.trials))
            members.setdefault((item.parent, item.originalname, *trials), []).append(item)
    for first, *others in members.values():
        alike = [one for one in others if same_plan(plans[first.nodeid], plans[one.nodeid])]
        names = {
            name: None
            for one in alike
            for name, value in one.callspec.params.items()
            if first.callspec.params[name] is not value
        }
        if names:
            test = f"{first.parent.nodeid if first.parent else ''}::{first.originalname}"
            yield same_cell(test, list(names), len(alike) + 1)


def _may_run_ahead(state: PluginState, item: pytest.Function) -> bool:
    if "cell" not in item.fixturenames:
        return False
    names = generator_fixtures(item)
    if names:
        state.one_by_one[item.nodeid] = f"fixture {names[0]!r} has a teardown"
    return not names


def _freeze(state: PluginState, item: pytest.Function, following: pytest.Function | None) -> CellPlan | None:
    """The plan that the case's fixtures make; ``None`` where it must wait for its turn, as when its setup fails."""
    try:
        if only_pytest_sets_up(item, __name__):
            fill(item, fixtures.__name__)
            if "cell" in item.funcargs:
                return _plan_of(item)
        with set_up(item, following) as finalizers:
            if finalizers:
                state.one_by_one[item.nodeid] = f"fixture {finalizers[0]!r} has a teardown"
                return None
            return _plan_of(item)
    except (ConfigurationError, KeyboardInterrupt):
        raise
    except BaseException:
        return None  # it fails again, visibly, when its turn comes


def _plan_of(item: pytest.Function) -> CellPlan:
    handle: Any = item.funcargs["cell"]
    plan: CellPlan = handle.plan
    return plan
