"""One session of experiments in a process that runs trials: its engines and its current cells.

The same object serves pytest, the command line and `harness.run`. The coordinator is in this process or, for a worker,
in the process that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.console import logger
from harness.engines import Engine
from harness.engines.play import OwnPlay
from harness.errors import (
    ConfigurationError,
    ExitCode,
    HarnessError,
    LostRepliesError,
    ModelCallError,
    SessionLimitError,
)
from harness.model import Experiment, Group, Measure, TrialFailure, TrialFiles, TrialPlan, TrialResult
from harness.personas import Population, fragments_of, population_of
from harness.personas.population import has_attributes, kept_person
from harness.records.people import keep_people
from harness.records.registry.code_store import is_kept, keep_code
from harness.runtime import provenance
from harness.runtime.cells import (
    CellOutcome,
    CellRun,
    CellStatus,
    TrialOutcome,
    entries_of,
    failure_of,
    outcome_of,
)
from harness.runtime.code.identity import CodeReader
from harness.runtime.loop import LoopLostError
from harness.runtime.output_capture import Collector, current
from harness.runtime.plan import OWN, CellPlan, interleave
from harness.runtime.remeasuring import Unmeasured, measure_again
from harness.runtime.settings import Settings
from harness.user_code import FunctionRunner, is_ending, runner

if TYPE_CHECKING:
    from harness.runtime.coordinator import Coordinator
    from harness.runtime.remote import RemoteCoordinator

TICK = 0.2
"""Seconds between two looks at work that is waited for."""

log = logger()


class Session:
    """Plays cells. `start` it before anything else, when its ``coordinator`` is started; `close` ends both."""

    def __init__(
        self,
        settings: Settings,
        make_engine: Callable[[str, Settings], Engine],
        coordinator: Coordinator | RemoteCoordinator,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings, self.coordinator = settings, coordinator
        self._make_engine, self._clock, self._now = make_engine, clock, now
        self._engines: dict[str, Engine] = {}
        self._turns: dict[str, contextlib.AbstractAsyncContextManager[Any]] = {}
        self._populations: dict[tuple[Any, ...], Population] = {}
        self._plans: dict[tuple[str, ...], CellPlan] = {}
        self._under_way: dict[tuple[str, str], Future[TrialOutcome]] = {}
        self._window = _at_most(settings.trial_window)
        self._code, self._kept_code = CodeReader(), set[str]()
        self._kept_people: set[str] = set()
        self._collector = Collector()
        self._functions = FunctionRunner(settings.function_timeout)
        self._closed = False

    def start(self) -> None:
        """Create the engine named in the settings. Raises `ConfigurationError` if that fails."""
        logging.getLogger().addHandler(self._collector)
        runner.set(self._functions)
        self.coordinator.loop.watch(self.settings.function_timeout, self.coordinator.lose)
        self.engine(self.settings.engine)

    def engine(self, name: str) -> Engine:
        """The engine called ``name``, made once. Raises `ConfigurationError`."""
        if name not in self._engines:
            self._engines[name] = (
                OwnPlay(self.settings.play_timeout) if name == OWN else self._make_engine(name, self.settings)
            )
            self._turns[name] = _at_most(self._engines[name].trials_at_once)
            if self._engines[name].needs_server:
                self.coordinator.loop.run(self.coordinator.start_server())
        return self._engines[name]

    def _made(self, name: str) -> Engine:
        return OwnPlay(self.settings.play_timeout) if name == OWN else self._make_engine(name, self.settings)

    def population(self, experiment: Experiment, group: Group | None = None) -> Population:
        """The population that the experiment, or the arm, names, read once per session. Raises `ConfigurationError`."""
        own = None if group is None or group.population is None else group.name
        key = (experiment.name, own, fragments_of(experiment, group))
        if key not in self._populations:
            folder = self.settings.sources.notebooks if experiment.script.source == "notebook" else None
            self._populations[key] = population_of(experiment, folder, group)
        return self._populations[key]

    @property
    def plans(self) -> tuple[CellPlan, ...]:
        """Of every cell that was submitted."""
        return tuple(self._plans.values())

    @property
    def stopped(self) -> HarnessError | None:
        """Why the session ends early, when it does."""
        return self.coordinator.stopped

    # Playing

    def submit(self, plans: Sequence[CellPlan], tick: Callable[[], None] = lambda: None) -> list[CellRun]:
        """Start every trial of ``plans`` that has no accepted record yet, arms interleaved. Does not wait.

        Returns one `CellRun` per plan. Raises `HarnessError` when a run cannot be opened.
        """
        declared = {plan.cell.experiment: self._declared(plan.experiment) for plan in plans}
        entries = entries_of(plans, declared, self._code_of)
        standings = self.coordinator.loop.run(self.coordinator.enter(entries))
        standings = self._measured(plans, standings, tick)
        self._plans.update({tuple(trial.trial.id for trial in plan.trials): plan for plan in plans})
        for name in dict.fromkeys(plan.engine for plan in plans):
            self.engine(name)
        started = [CellRun(plan, standing) for plan, standing in zip(plans, standings, strict=True)]
        owners: dict[str, list[CellRun]] = {}
        for cell_run in started:
            _log_arm(cell_run.plan, cell_run.standing)
            for trial in cell_run.plan.trials:
                owners.setdefault(trial.trial.id, []).append(cell_run)
        self._start_trials([(owners[t.trial.id].pop(0), t) for t in interleave(plans, self.settings.seed)])
        return started

    def _code_of(self, plan: CellPlan) -> provenance.PlanCode:
        """The code of ``plan``, kept so that a later session can say what changed."""
        code = provenance.code_of(plan, self._code, self.settings.checkout)
        folder = self.settings.results_dir
        for one in code.identities():
            if one.sha256 not in self._kept_code and not is_kept(folder, one.sha256):
                keep_code(folder, one.sha256, one.readable)
            self._kept_code.add(one.sha256)
        words, people = provenance.script_words(plan.experiment.script), provenance.people_texts(plan)
        for mark, texts in (words, people):
            if texts and mark not in self._kept_code and not is_kept(folder, mark):
                keep_code(folder, mark, texts)
            self._kept_code.add(mark)
        self._keep_people(plan, people[0])
        return code

    def _keep_people(self, plan: CellPlan, mark: str) -> None:
        """Keep who takes part, so that an analysis has their attributes and weights."""
        if mark not in self._kept_people and has_attributes(plan.population):
            facts = {**provenance.population_facts(plan.population), "sha256": mark}
            keep_people(self.settings.results_dir, facts, map(kept_person, plan.population.personas))
        self._kept_people.add(mark)

    def _measured(
        self, plans: Sequence[CellPlan], standings: Sequence[CellStatus], tick: Callable[[], None]
    ) -> list[CellStatus]:
        """Recompute metrics whose code changed since their trials ran; returns the statuses with the new values."""
        known: dict[str, dict[str, TrialOutcome]] = {}
        for plan, one in zip(plans, standings, strict=True):
            if one.unmeasured is not None and one.run_id not in known:
                work = self.coordinator.loop.submit(self._measure_again(plan, one.run_id, one.unmeasured))
                while not work.done():
                    if wait([work], timeout=TICK).not_done:
                        tick()
                known[one.run_id] = work.result()
        return [
            replace(one, accepted={name: known[one.run_id][name] for name in one.accepted}, unmeasured=None)
            if one.run_id in known
            else one
            for one in standings
        ]

    async def _measure_again(
        self, plan: CellPlan, run_id: str, unmeasured: Unmeasured
    ) -> dict[str, TrialOutcome]:
        runner.set(self._functions)
        metrics = [one for one in plan.experiment.metrics if isinstance(one, Measure)]
        folder, experiment = self.settings.results_dir, plan.cell.experiment

        def tell(note: str) -> None:
            self.coordinator.tell_of(plan.trials[0].trial, note)

        found = await measure_again(folder, experiment, run_id, unmeasured, metrics, tell)
        return await self.coordinator.keep_measurements(plan.cell, found)

    def wait(self, cell_run: CellRun, tick: Callable[[], None]) -> CellOutcome:
        """Wait for a cell's trials, calling ``tick`` meanwhile, and count the cell as done."""
        outcome = outcome_of(
            cell_run,
            cell_run.wait(tick, lambda: self.coordinator.loop.lost is not None),
            self.stopped,
        )
        self.coordinator.close_case(cell_run.standing.case, outcome)
        return outcome

    def _declared(self, experiment: Experiment) -> str | None:
        try:
            return self.population(experiment).sha256
        except ConfigurationError:
            return None  # a fixture put another in its place, else the case would have failed already

    def _start_trials(self, trials: Sequence[tuple[CellRun, TrialPlan]]) -> None:
        """Give each a future: of its earlier record, of the same trial under way, or of a new try."""
        keys = [(cell_run.standing.run_id, plan.trial.id) for cell_run, plan in trials]
        new: dict[tuple[str, str], Coroutine[Any, Any, TrialOutcome]] = {}
        for key, (cell_run, plan) in zip(keys, trials, strict=True):
            under_way = key in new or (key in self._under_way and not self._under_way[key].done())
            if key[1] not in cell_run.standing.accepted and not under_way:
                new[key] = self._play(cell_run, plan)
        self._under_way.update(zip(new, self.coordinator.loop.submit_all(list(new.values())), strict=True))
        for key, (cell_run, _) in zip(keys, trials, strict=True):
            earlier = cell_run.standing.accepted.get(key[1])
            cell_run.futures[key[1]] = self._under_way[key] if earlier is None else _done(earlier)

    async def _play(self, cell_run: CellRun, plan: TrialPlan) -> TrialOutcome:
        async with self._window, self._turns[cell_run.plan.engine]:
            if self.stopped:
                raise asyncio.CancelledError
            current.set(cell_run.output)
            runner.set(self._functions)
            client: Any  # each desk's own
            try:
                client = await self.coordinator.open_trial(cell_run.standing.case, plan.trial)
            except HarnessError as error:
                raise (asyncio.CancelledError if self.stopped else error) from error
            if isinstance(client, TrialOutcome):
                return client  # by another player, meanwhile
            started, began = self._now(), self._clock()
            plan = self._placed(plan, cell_run.standing.run_id)
            outcome: TrialResult | TrialFailure
            try:
                task = asyncio.current_task()
                try:
                    outcome = await self._engines[cell_run.plan.engine].run(plan, client)
                except BaseException as error:  # users' code may raise anything
                    if is_ending(task, error):
                        raise
                    outcome = self._failure(plan, error)
                return await self.coordinator.record(client, plan, outcome, started, self._clock() - began)
            finally:
                self.coordinator.close_trial(client)

    def _placed(self, plan: TrialPlan, run_id: str) -> TrialPlan:
        """The plan with the place for its own files, where it asks for one."""
        if plan.play is None or not plan.play.files:
            return plan
        tell = functools.partial(self.coordinator.tell_of, plan.trial)
        return replace(
            plan, place=TrialFiles(self.settings.results_dir, run_id, tell, self.coordinator.start_server)
        )

    def _failure(self, plan: TrialPlan, error: BaseException) -> TrialFailure:
        """Why the trial failed. One that did not end because the session does is cancelled."""
        if isinstance(error, SessionLimitError):
            self.coordinator.stop(error, error.exit_code)  # no fault of this trial: it ends unfinished too
        if self.stopped:
            raise asyncio.CancelledError from error
        if isinstance(error, ModelCallError) and error.fatal:
            lost = isinstance(error.__cause__, LostRepliesError)
            self.coordinator.stop(error, ExitCode.USAGE if lost else ExitCode.FAILED)
        if not isinstance(error, HarnessError):
            log.error("Trial %s raised %s.", plan.trial.id, type(error).__name__, exc_info=error)
        return failure_of(plan.trial, error)

    def close(self, *, interrupted: bool = False) -> None:
        """End the engines and the desk; a session cut short first waits for paid replies."""
        if self._closed:
            return
        self._closed = True
        self.coordinator.loop.hurry()
        with contextlib.suppress(LoopLostError):
            self.coordinator.wind_down(interrupted=interrupted)
            for engine in self._engines.values():
                self.coordinator.loop.run(engine.aclose())
        logging.getLogger().removeHandler(self._collector)
        self.coordinator.close()


def _done(played: TrialOutcome) -> Future[TrialOutcome]:
    done: Future[TrialOutcome] = Future()
    done.set_result(played)
    return done


def _at_most(number: int | None) -> contextlib.AbstractAsyncContextManager[Any]:
    return contextlib.nullcontext() if number is None else asyncio.Semaphore(number)


def _log_arm(plan: CellPlan, standing: CellStatus) -> None:
    if standing.opened and plan.cell.rep == 1:
        log.info(
            "%s %s: correction %s, interventions %s.",
            plan.cell.experiment,
            plan.cell.group,
            provenance.describe_correction(plan.correction),
            [one.name for one in plan.interventions] or "none",
        )
