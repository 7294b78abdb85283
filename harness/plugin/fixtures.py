"""The parts of an experiment as fixtures. Override one in a module or a conftest and just that part changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.console import visible
from harness.model import Correction, Experiment, Group, Intervention
from harness.personas import Population, load
from harness.plugin.selection import Case, case_of, rep_of, selected_proposals
from harness.plugin.state import PluginState, state_of
from harness.runtime.plan import CellPlan, plan_cell

if TYPE_CHECKING:
    from harness.records import WriterPool
    from harness.runtime.cells import CellOutcome
    from harness.runtime.remote import RemotePool
    from harness.runtime.session import Session


@pytest.fixture
def _harness_case(request: pytest.FixtureRequest) -> Case:
    case = case_of(request.node)
    assert case is not None, "not selected, so never set up"
    return case


@pytest.fixture
def experiment(_harness_case: Case) -> Experiment:
    """The experiment of this case."""
    return _harness_case.experiment


@pytest.fixture
def group(experiment: Experiment, _harness_case: Case) -> Group:
    """The arm of this case."""
    return experiment.group(_harness_case.group)


@pytest.fixture
def rep(request: pytest.FixtureRequest, _harness_case: Case) -> int:
    """The repetition, counted from 1."""
    return rep_of(request.node, _harness_case)


@pytest.fixture
def population(request: pytest.FixtureRequest, experiment: Experiment, group: Group) -> Population:
    """Who takes part. An override may return a `Population`, personas, or the name or path of a population."""
    return _session(request).population(experiment, group)


@pytest.fixture
def correction(group: Group) -> Correction | None:
    """The arm's action correction; ``None`` for none."""
    return group.correction


@pytest.fixture
def interventions(group: Group) -> tuple[Intervention, ...]:
    """The arm's interventions."""
    return group.interventions


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the engine that plays the trials."""
    return state_of(request.config).settings.engine


@pytest.fixture
def writer_pool(request: pytest.FixtureRequest) -> WriterPool | RemotePool:
    """The session's pool of JSONL writers: ``writer_pool.get(experiment, group, rep).write({...})``."""
    return _session(request).coordinator.pool


class CellHandle:
    """What a test holds of its cell: ``plan``, all its parts, and `run`."""

    def __init__(self, plan: CellPlan, state: PluginState, nodeid: str) -> None:
        self.plan = plan
        self.seconds: float | None = None
        self._state, self._nodeid = state, nodeid

    def run(self) -> CellOutcome:
        """Play the cell's trials that have no record yet and wait; fail the test if one could not be finished."""
        __tracebackhide__ = True
        from harness.plugin.turn import play

        outcome = play(self._state, self._nodeid, self.plan)
        self.seconds = outcome.seconds
        problem = outcome.problem()
        if problem is not None:
            pytest.fail(visible(problem), pytrace=False)
        return outcome


@pytest.fixture
def cell(
    request: pytest.FixtureRequest,
    experiment: Experiment,
    group: Group,
    rep: int,
    population: Population,
    correction: Correction | None,
    interventions: Sequence[Intervention],
    engine: str,
    _harness_case: Case,
) -> CellHandle:
    """The cell of this case with everything that its fixtures gave. ``cell.run()`` plays it."""
    state = state_of(request.config)
    plan = plan_cell(
        experiment,
        _with(group, correction, tuple(interventions)),
        rep,
        mode=state.settings.mode,
        reps=_harness_case.reps,
        population=population if isinstance(population, Population) else load(population),
        engine=engine,
        seed=state.settings.seed,
        proposal=_harness_case.proposal,
        selected=selected_proposals(request.config, experiment),
        temperature=state.settings.temperature,
        model_options=state.settings.model_options,
    )
    return CellHandle(plan, state, request.node.nodeid)


def _with(group: Group, correction: Correction | None, interventions: tuple[Intervention, ...]) -> Group:
    """The arm as its fixtures made it; the same object where they changed nothing, so that reps share what follows."""
    if correction == group.correction and interventions == group.interventions:
        return group
    return replace(group, correction=correction, interventions=interventions)


def _session(request: pytest.FixtureRequest) -> Session:
    session = state_of(request.config).session
    if session is None:
        pytest.fail(
            visible(
                f"{request.node.nodeid} uses the fixture {request.fixturename!r} outside an experiment session; "
                "mark the test with @pytest.mark.experiment(...) and run pytest -m experiment."
            ),
            pytrace=False,
        )
    return session
