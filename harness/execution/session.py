"""One session of experiments: it owns the gateway, the engines and the files, and plays trials.

The same object serves pytest, the command line and `harness.run`; concrete parts come in as factories.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.engines import Engine
from harness.errors import ConfigurationError, ExitCode, HarnessError, ModelCallError
from harness.execution.attribution import Collector, current
from harness.execution.cells import CellOutcome, CellRun, Played, outcome_of
from harness.execution.emitting import Emitter
from harness.execution.loop import BackgroundLoop
from harness.execution.progress import Pace, Snapshot
from harness.execution.runs import Conclusion, RunBook
from harness.llm.addresses import without_password
from harness.llm.budget import BudgetExhaustedError
from harness.llm.gateway import Gateway
from harness.llm.snapshots import MAKERS, is_undated, undated_warning
from harness.llm.trial import TrialClient
from harness.model import Cell, Experiment, Trial, TrialFailure, TrialPlan, TrialResult
from harness.populations import Population, load
from harness.records import RunRegistry, WriterPool, session_timestamp, trial_line
from harness.runner import provenance
from harness.runner.plan import CellPlan, interleave
from harness.runner.settings import Settings
from harness.telemetry import Observers

PATIENCE_SECONDS = 150.0
"""How long a session that its budget stopped waits for the calls in flight; longer than a call may take."""

DRAIN_SECONDS = 10.0
"""How long an interrupted session waits for replies that are already paid for."""

SETTLE_SECONDS = 1.0
"""How long trials then have to end."""

log = logging.getLogger("harness")


@dataclass(frozen=True)
class Parts:
    """The concrete parts that the outermost layer chose."""

    gateway: Callable[[Settings], Gateway]
    engine: Callable[[str, Settings], Engine]
    observers: Callable[[Settings, Callable[[str], None]], Observers] = lambda *_: Observers()


class Session:
    """Plays cells. `start` it before anything else; `close` and then `conclude` it at the end."""

    gateway: Gateway
    pool: WriterPool

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        *,
        root: Path,
        selection: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.stopped: str | None = None
        self.exit_code = ExitCode.FAILED  # of a session that was stopped
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self._parts, self._root, self._selection = parts, root, dict(selection or {})
        self._clock, self._now, self._started_at = clock, now, now()
        self._engines: dict[str, Engine] = {}
        self._turns: dict[str, contextlib.AbstractAsyncContextManager[Any]] = {}
        self._populations: dict[tuple[Any, ...], Population] = {}
        self._plans: dict[Cell, CellPlan] = {}
        self._under_way: dict[tuple[str, str], Future[Played]] = {}
        self._counting = threading.Lock()
        self._cells = 0
        self._cells_done: set[Cell] = set()
        self._trials: set[str] = set()
        self._trials_ended: set[str] = set()
        self._pace = Pace(clock)
        self._collector = Collector()
        self._emit = Emitter(Observers(), now)
        self._loop: BackgroundLoop | None = None
        self._closed = False

    # Starting

    def start(self) -> None:
        """Make the gateway, the files' pool and the engine named in the settings.

        Raises `ConfigurationError` when the model or the engine cannot be had: before anything is sent.
        """
        self.gateway = self._parts.gateway(self.settings)
        self._emit = Emitter(self._parts.observers(self.settings, self._warn), self._now)
        if self._emit:
            self.gateway.observers.add(self._emit)
            self._emit.session_started(self._facts)
        if self.gateway.provider.name in MAKERS and is_undated(self.gateway.provider.model):
            self._warn(undated_warning(self.gateway.provider.model))
        self._book = RunBook(self.settings, RunRegistry(self.settings.results_dir, self._now), self._facts)
        commit, dirty = provenance.git_state(self._root)
        self._session_facts = {"timestamp": self._started_at.isoformat(), "git_dirty": dirty}
        self.pool = WriterPool(
            "",
            commit,
            results_dir=self.settings.results_dir,
            timestamp=session_timestamp(self._started_at),
            metadata=lambda cell: self._book.metadata(
                self._plans[cell], self._selection, self._session_facts
            ),
        )
        self._window = _at_most(self.settings.trial_window)
        self._loop = BackgroundLoop()
        logging.getLogger().addHandler(self._collector)
        self.engine(self.settings.engine)

    def _warn(self, warning: str) -> None:
        self.warnings.append(warning)
        log.warning("%s", warning)

    @property
    def _facts(self) -> dict[str, Any]:
        """What the session adds to a run's identity."""
        provider = self.gateway.provider
        address = getattr(provider, "base_url", None) or self.settings.base_url
        return {
            "provider": provider.name,
            "model": provider.model,
            "base_url": without_password(address) if address else None,
            "temperature": self.settings.temperature,
            "seed": self.settings.seed,
            **({} if self.settings.provider_seed is None else {"provider_seed": self.settings.provider_seed}),
        }

    @property
    def loop(self) -> BackgroundLoop:
        assert self._loop is not None, "the session was not started"
        return self._loop

    def engine(self, name: str) -> Engine:
        """The engine called ``name``, made once. Raises `ConfigurationError`."""
        if name not in self._engines:
            self._engines[name] = self._parts.engine(name, self.settings)
            self._turns[name] = _at_most(self._engines[name].trials_at_once)
            if self._engines[name].needs_face:
                self.loop.run(self.gateway.start_face())
        return self._engines[name]

    def population(self, experiment: Experiment) -> Population:
        """The population that the experiment names, read once per session. Raises `ConfigurationError`."""
        key = (experiment.name, experiment.fragments)
        if key not in self._populations:
            folder = self.settings.sources.notebooks if experiment.script.source == "notebook" else None
            self._populations[key] = load(experiment.population, experiment.fragments, folder=folder)
        return self._populations[key]

    # Playing

    def submit(self, plans: Sequence[CellPlan]) -> list[CellRun]:
        """Start every trial of ``plans`` that has no accepted record yet, arms interleaved. Does not wait.

        Returns one `CellRun` per plan. Raises `HarnessError` when a run cannot be opened.
        """
        declared = {plan.cell.experiment: self._declared(plan.experiment) for plan in plans}
        for opened in self._book.enter(plans, declared):
            self.gateway.open_run(opened.run.id)
            if opened.run.joined:
                self.notes.append(
                    f"{opened.experiment}: going on with run {opened.run.id}, "
                    f"which has {len(opened.accepted)} finished trials."
                )
            _log_arms(opened.experiment, plans)
        self._plans.update({plan.cell: plan for plan in plans})
        for name in dict.fromkeys(plan.engine for plan in plans):
            self.engine(name)
        self._trials.update(trial.trial.id for plan in plans for trial in plan.trials)
        started = [
            CellRun(plan, self._emit.case_started(plan, self._book.of(plan.cell).run.id)) for plan in plans
        ]
        owners: dict[str, list[CellRun]] = {}
        for cell_run in started:
            for trial in cell_run.plan.trials:
                owners.setdefault(trial.trial.id, []).append(cell_run)
        for trial in interleave(plans, self.settings.seed):
            cell_run = owners[trial.trial.id].pop(0)
            cell_run.futures[trial.trial.id] = self._start_trial(cell_run, trial)
        return started

    def wait(self, cell_run: CellRun, tick: Callable[[], None]) -> CellOutcome:
        """Wait for a cell's trials, calling ``tick`` meanwhile, and count the cell as done."""
        outcome = outcome_of(cell_run, cell_run.wait(tick), self.stopped)
        self._cells_done.add(cell_run.plan.cell)
        self._emit.case_ended(cell_run.case, outcome)
        return outcome

    def expect(self, cells: int) -> None:
        """Say how many cells this session will work on, for its progress."""
        self._cells = cells

    def stop(self, reason: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        """Send nothing more. Trials under way end unfinished; finished ones are kept. Any thread."""
        if self.stopped is None:
            self.stopped, self.exit_code = reason, exit_code
            self.gateway.halt()

    def _declared(self, experiment: Experiment) -> str | None:
        try:
            return self.population(experiment).sha256
        except ConfigurationError:
            return None  # a fixture put another in its place, else the case would have failed already

    def _start_trial(self, cell_run: CellRun, plan: TrialPlan) -> Future[Played]:
        """A future of the trial: of its earlier record, of the same trial under way, or of a new try."""
        opened = self._book.of(plan.trial.cell)
        key = (opened.run.id, plan.trial.id)
        if plan.trial.id in opened.accepted:
            return self._already(opened.accepted[plan.trial.id])
        if key in self._under_way and not self._under_way[key].done():
            return self._under_way[key]
        self._trials_ended.discard(plan.trial.id)  # a rerun tries it anew
        self._under_way[key] = self.loop.submit(self._play(cell_run, plan))
        return self._under_way[key]

    def _already(self, played: Played) -> Future[Played]:
        done: Future[Played] = Future()
        done.set_result(played)
        with self._counting:
            self._trials_ended.add(played.trial.id)  # says nothing about the pace
        return done

    async def _play(self, cell_run: CellRun, plan: TrialPlan) -> Played:
        async with self._window, self._turns[cell_run.plan.engine]:
            if self.stopped:
                raise asyncio.CancelledError
            current.set(cell_run.output)
            client = self._client(plan.trial)
            self._emit.trial_started(cell_run.case, plan.trial, client.attempt)
            started, began = self._now(), self._clock()
            outcome: TrialResult | TrialFailure
            try:
                outcome = await self._engines[cell_run.plan.engine].run(plan, client)
            except Exception as error:
                if isinstance(error, BudgetExhaustedError):
                    self.stop(str(error), ExitCode.BUDGET)  # no fault of this trial: it ends unfinished too
                if self.stopped:
                    raise asyncio.CancelledError from error
                outcome = self._failure(plan, error)
            finally:
                self.gateway.close_trial(client)
            return self._record(plan, outcome, client, started, self._clock() - began)

    def _client(self, trial: Trial) -> TrialClient:
        opened = self._book.of(trial.cell)
        return self.gateway.open_trial(trial.id, opened.run.id, opened.attempts.get(trial.id, 0) + 1)

    def _failure(self, plan: TrialPlan, error: Exception) -> TrialFailure:
        if isinstance(error, ModelCallError) and error.fatal:
            self.stop(str(error))
        kind = type(error).__name__
        if isinstance(error, HarnessError):
            return TrialFailure(plan.trial, str(error), kind)
        log.error("Trial %s raised %s.", plan.trial.id, kind, exc_info=error)
        return TrialFailure(plan.trial, f"{kind}: {error}", kind)

    def _record(
        self,
        plan: TrialPlan,
        outcome: TrialResult | TrialFailure,
        client: TrialClient,
        started: datetime,
        seconds: float,
    ) -> Played:
        """Write the trial down, flushed, before anybody hears of it."""
        trial, opened = plan.trial, self._book.of(plan.trial.cell)
        opened.attempts[trial.id] = opened.attempts.get(trial.id, 0) + 1
        line = trial_line(
            outcome,
            plan,
            run_id=opened.run.id,
            usage=client.usage(),
            attempt=opened.attempts[trial.id],
            started=started,
            ended=self._now(),
            duration=seconds,
            paid=client.paid(),
            calls_replayed=client.replayed,
            refusals=client.refusals,
            rejections=client.rejections,
        )
        try:
            self.pool.get(trial.cell.experiment, trial.cell.group, trial.cell.rep).write(line)
        except HarnessError as error:
            self.stop(str(error))
            raise
        self._count_trial(trial)
        self._emit.trial_ended(trial, outcome, client.usage())
        if isinstance(outcome, TrialFailure):
            return Played(trial, failure=outcome, seconds=seconds)
        opened.accepted[trial.id] = Played(trial, outcome.samples, seconds=seconds)
        return opened.accepted[trial.id]

    def _count_trial(self, trial: Trial) -> None:
        with self._counting:
            self._trials_ended.add(trial.id)
            self._pace.tick()

    # Looking and ending

    @property
    def plans(self) -> tuple[CellPlan, ...]:
        """Of every cell that was submitted."""
        return tuple(self._plans.values())

    def progress(self) -> Snapshot:
        """Counts at this moment."""
        gateway = self.gateway
        return Snapshot(
            self._cells,
            len(self._cells_done),
            len(self._trials),
            len(self._trials_ended),
            gateway.calls,
            gateway.in_flight,
            gateway.tokens_in + gateway.tokens_out,
            self._pace.seconds_left(len(self._trials) - len(self._trials_ended)),
        )

    def close(self, *, interrupted: bool = False) -> None:
        """Stop the gateway and the engines and close the files; a session cut short first waits for paid replies."""
        if self._loop is None or self._closed:
            return
        self._closed = True
        self.stop("The session was interrupted." if interrupted else "The session has ended.")
        if interrupted or self.exit_code == ExitCode.BUDGET:
            self._loop.run(self.gateway.drain(DRAIN_SECONDS if interrupted else PATIENCE_SECONDS))
            # The last reply of a trial finishes it: let that be written down.
            concurrent.futures.wait(list(self._under_way.values()), timeout=SETTLE_SECONDS)
        for engine in self._engines.values():
            self._loop.run(engine.aclose())
        self._loop.run(self.gateway.aclose())
        self._loop.close()
        logging.getLogger().removeHandler(self._collector)
        self.pool.close_all()
        self._emit.session_ended(self.stopped)

    def conclude(self) -> list[Conclusion]:
        """Write the artifact of every run that this session worked on. After `close`."""
        if self._loop is None:
            return []  # it never started
        try:
            return self._book.conclude()
        finally:
            self._emit.close()


def _at_most(number: int | None) -> contextlib.AbstractAsyncContextManager[Any]:
    return contextlib.nullcontext() if number is None else asyncio.Semaphore(number)


def _log_arms(experiment: str, plans: Sequence[CellPlan]) -> None:
    for plan in plans:
        if plan.cell.experiment == experiment and plan.cell.rep == 1:
            log.info(
                "%s %s: correction %s, interventions %s.",
                experiment,
                plan.cell.group,
                provenance.describe_correction(plan.correction),
                [one.name for one in plan.interventions] or "none",
            )
