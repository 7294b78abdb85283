"""The single owner of a session's gateway, runs and files, for any number of processes that run trials.

A process enters a cell, opens its trials one after another, and reports how each ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console import logger
from harness.engines import Engine
from harness.errors import ConfigurationError, ExitCode, HarnessError, LostRepliesError, ModelCallError
from harness.gateway.batch.api import batch_api
from harness.gateway.calls import Provider
from harness.gateway.gateway import Gateway
from harness.gateway.model_snapshots import MAKERS, is_undated, undated_warning
from harness.gateway.models import spec_of
from harness.gateway.trial_client import TrialClient
from harness.model import Cell, Sample, Trial, TrialFailure, TrialPlan, TrialResult
from harness.model.watched_settings import UNREAD
from harness.records import RunRegistry, WriterPool, session_timestamp, trial_line
from harness.runtime import provenance
from harness.runtime.cells import CellOutcome, CellStatus, Entry, TrialOutcome, failure_of
from harness.runtime.event_emitter import Emitter
from harness.runtime.loop import BackgroundLoop, LoopLostError
from harness.runtime.progress import ProgressCounter, Snapshot
from harness.runtime.runs import Conclusion, OpenRun, RunBook
from harness.runtime.settings import Settings
from harness.telemetry import Observers

if TYPE_CHECKING:
    from harness.checks import OwnChecks

PATIENCE_SECONDS = 30.0
"""How much longer than a call may take a session that a limit stopped waits for the calls in flight."""

DRAIN_SECONDS = 10.0
"""How long an interrupted session waits for replies that are already paid for."""

SETTLE_SECONDS = 1.0
"""How long trials then have to end."""

log = logger()


@dataclass(frozen=True)
class Parts:
    """The concrete parts that the outermost layer chose."""

    gateway: Callable[[Settings], Gateway]
    engine: Callable[[str, Settings], Engine]
    observers: Callable[[Settings, Callable[[str], None]], Observers] = lambda *_: Observers()


class Coordinator:
    """Owns gateway, runs, files and observers. `start` it first; `close` and then `conclude` it at the end.

    The asynchronous methods and `close_trial` belong on its ``loop``; the others may be called from any thread.
    """

    gateway: Gateway
    pool: WriterPool

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        *,
        root: Path,
        selection: Mapping[str, str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.stopped: HarnessError | None = None
        self.exit_code = ExitCode.FAILED  # of a session that was stopped
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.unkept: list[str] = []
        self.spans: list[tuple[float, float]] = []
        """When each trial of this session began, in seconds since 1970, and the seconds that it took."""
        self._parts, self._root, self._selection = parts, root, dict(selection or {})
        self._now, self._started_at = now, now()
        self._emit = Emitter(Observers(), now)
        self._tally = ProgressCounter()
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}
        self._open: dict[TrialClient, Trial] = {}
        self._loop: BackgroundLoop | None = None
        self._checking_roles = asyncio.Lock()
        self._closed = self._are_roles_checked = False

    def start(self) -> None:
        """Create the gateway and the pool of files. Raises `HarnessError` if the model or the files are unusable."""
        self.gateway = self._parts.gateway(self.settings)
        self._emit = Emitter(self._parts.observers(self.settings, self._warn), self._now)
        if self._emit:
            self.gateway.observers.add(self._emit)
            self._emit.session_started(self._facts)
        self.gateway.notify, self.gateway.inform = self._warn, self.notes.append
        for provider in self.gateway.models:
            if announcement := getattr(provider, "announcement", ""):
                self.notes.append(announcement)
            self._warn_of_alias(provider)
            if self.settings.batch and batch_api(provider) is None:
                self.notes.append(
                    f"Batches: {spec_of(provider)} has no batch API; calls to it are ordinary ones."
                )
        registry = RunRegistry(
            self.settings.results_dir,
            self._now,
            accept_loss=self.settings.fresh or self.settings.accept_lost_journal,
            say=self.notes.append,
        )
        self._book = RunBook(self.settings, registry, self._facts, self.gateway.journal, self.notes.append)
        commit, dirty = provenance.git_state(self._root)
        facts = {
            "judge_model": None,
            "timestamp": self._started_at.isoformat(),
            "git_dirty": dirty,
            "selection": self._selection,
        }
        self.pool = WriterPool(
            "",
            commit,
            results_dir=self.settings.results_dir,
            timestamp=session_timestamp(self._started_at),
            metadata=lambda cell: self._book.metadata(cell, facts),
        )
        self._loop = BackgroundLoop()

    def _warn(self, warning: str) -> None:
        self.warnings.append(warning)
        log.warning("%s", warning)

    @property
    def _facts(self) -> dict[str, Any]:
        """What the session adds to a run's identity."""
        return provenance.session_settings(self.settings, self.gateway.provider, self.gateway.models.roles)

    @property
    def started(self) -> bool:
        """Whether trials can run, or could before `close`."""
        return self._loop is not None

    @property
    def loop(self) -> BackgroundLoop:
        assert self._loop is not None, "the session was not started"
        return self._loop

    # For players

    async def start_server(self) -> None:
        """Serve the gateway over HTTP, for an engine that needs that."""
        await self.gateway.start_server()

    async def enter(self, entries: Sequence[Entry]) -> list[CellStatus]:
        """Give every cell its run. Raises `HarnessError` when a run cannot be opened."""
        for arm, spec in dict.fromkeys(named for entry in entries for named in entry.models):
            self._prepare_model(arm, spec)  # of every arm, so that none is refused after another has begun
        try:
            opened = self._book.enter(entries)
        except LostRepliesError as error:
            self.stop(error, ExitCode.USAGE)  # cells that come later must not be sent either
            raise
        for run in opened:
            self._take_notes(run)
        return [self._standing(entry, opened) for entry in entries]

    async def _check_roles(self) -> None:
        """Find a model of a role that cannot be used before the first trial: a trial calls its judge last."""
        async with self._checking_roles:
            if self._are_roles_checked or self.stopped:
                return
            self._tally.note("asking the models of other roles for a word")
            try:
                self.notes += [note async for note in self.gateway.check_roles()]
            except ModelCallError as error:
                self._stop_for(error)
            self._are_roles_checked = True
            self._tally.note("")

    def _prepare_model(self, arm: str, spec: str) -> None:
        known = list(self.gateway.models)
        try:
            provider = self.gateway.models.named(spec)
        except ConfigurationError as error:
            raise ConfigurationError(f"{arm}: {error}") from error
        if provider not in known:
            self._warn_of_alias(provider)

    def _warn_of_alias(self, provider: Provider) -> None:
        if provider.name in MAKERS and is_undated(provider.model):
            self._warn(undated_warning(provider.model))

    def _standing(self, entry: Entry, opened: Sequence[OpenRun]) -> CellStatus:
        run = self._book.of(entry.cell)
        accepted = {name: one for name, one in run.accepted.items() if one.trial.cell == entry.cell}
        case = self._emit.case_started(entry, run.run.id)
        self._tally.entered(case, entry.trials, accepted)
        return CellStatus(case, run.run.id, run in opened, accepted, run.unmeasured)

    def _take_notes(self, run: OpenRun) -> None:
        self.notes += run.notes
        run.notes.clear()

    async def keep_measurements(
        self, cell: Cell, found: Mapping[str, Sequence[Sample]]
    ) -> dict[str, TrialOutcome]:
        """Write down the metrics of the cell's run that were computed again; its accepted trials with them.

        Several players may hand them in; the first one's count.
        """
        run = self._book.of(cell)
        if run.unmeasured is not None:
            self._book.keep_measurements(run, found, self._now())
            self._take_notes(run)
        return run.accepted

    async def open_trial(self, case: str, trial: Trial) -> TrialClient | TrialOutcome:
        """A client for one try of a trial; its record, if it has one by now. One player at a time has it.

        Raises `HarnessError` when the session was stopped.
        """
        run = self._book.of(trial.cell)
        turn = self._turns.setdefault((run.run.id, trial.id), asyncio.Lock())
        await turn.acquire()
        if trial.id not in run.accepted:
            await self._check_roles()
        if trial.id in run.accepted or self.stopped:
            turn.release()
            if self.stopped:
                raise self.stopped.with_traceback(None)
            return run.accepted[trial.id]
        self._tally.began(trial)
        client = self.gateway.open_trial(
            trial.id,
            run.run.id,
            run.attempts.get(trial.id, 0) + 1,
            self._book.call_options(trial.cell),
            self._book.model_of(trial.cell),
            self._book.repeats(trial.cell),
        )
        self._open[client] = trial
        self._emit.trial_started(case, trial, client.attempt)
        return client

    async def record(
        self,
        client: TrialClient,
        plan: TrialPlan,
        outcome: TrialResult | TrialFailure,
        started: datetime,
        seconds: float,
    ) -> TrialOutcome:
        """Write how a trial ended, flushed, before reporting it."""
        trial, run = plan.trial, self._book.of(plan.trial.cell)
        if client.failure is not None:  # at the HTTP server; a foreign engine may have ignored it
            outcome = failure_of(trial, client.failure)
            if client.failure.fatal:
                self.stop(client.failure, getattr(client.failure, "exit_code", ExitCode.FAILED))
        run.attempts[trial.id] = run.attempts.get(trial.id, 0) + 1
        line = trial_line(
            outcome,
            plan,
            run_id=run.run.id,
            usage=client.usage(),
            attempt=run.attempts[trial.id],
            started=started,
            ended=self._now(),
            duration=seconds,
            paid=client.paid(),
            calls_replayed=client.replayed,
            refusals=client.refusals,
            rejections=client.rejections,
            unsent_options=client.unsent_options,
            replies=client.replies,
            transcript=await client.transcript() if isinstance(outcome, TrialFailure) else (),
        )
        self.write(trial.cell, line)
        self._tally.ended(trial, client.usage().cost)
        began = started.timestamp()
        self.spans.append((began, seconds))
        self._emit.trial_ended(trial, outcome, client.usage())
        if isinstance(outcome, TrialFailure):
            return TrialOutcome(trial, failure=outcome, seconds=seconds, began=began)
        left = outcome.details.get(UNREAD) or {}
        run.accepted[trial.id] = TrialOutcome(
            trial, outcome.samples, seconds=seconds, unread=left, began=began
        )
        return run.accepted[trial.id]

    def write(self, cell: Cell, record: Mapping[str, Any]) -> None:
        """Append a line to the cell's file. A file that cannot be written to stops the session."""
        try:
            self.pool.get(cell.experiment, cell.group, cell.rep).write(record)
        except HarnessError as error:
            self.stop(error)
            raise

    def tell_of(self, trial: Trial, note: str) -> None:
        """Show the progress that a trial reports."""
        self._tally.told(trial, note)

    def close_trial(self, client: TrialClient) -> None:
        """Give the trial back, recorded or not. A second time does nothing."""
        trial = self._open.pop(client, None)
        if trial is not None:
            self.gateway.close_trial(client)
            self._turns[client.run_id, trial.id].release()

    def close_case(self, case: str, outcome: CellOutcome) -> None:
        """Say that a cell was worked on to its end."""
        self._tally.case_ended(case)
        self._emit.case_ended(case, outcome)

    @property
    def has_comparisons(self) -> bool:
        """Whether a run of this session declares pairwise comparisons."""
        return any(run.settings.get("preferences") for run in self._book.runs)

    async def compare(self) -> None:
        """Make the pairwise comparisons of every run, as far as its trials are finished. After all cells."""
        from harness.runtime.comparing import BlockComparisons

        for run in self._book.runs:
            if self.stopped or not run.settings.get("preferences"):
                continue
            gateway, options = self.gateway, self._book.run_options(run)
            work = BlockComparisons(run, self.settings, gateway, options, now=self._now)
            try:
                await work.make(self._stop_for, self._tally.note)
            except HarnessError as error:
                self.stop(error)
            run.uncompared = work.left
            self._tally.note("")

    # Looking and ending

    def _stop_for(self, reason: HarnessError) -> None:
        self.stop(reason, getattr(reason, "exit_code", ExitCode.FAILED))

    def stop(self, reason: HarnessError, exit_code: ExitCode = ExitCode.FAILED) -> None:
        """Send nothing more. Trials under way end unfinished; finished ones are kept."""
        if self.stopped is None:
            self.stopped, self.exit_code = reason, exit_code
            self.gateway.halt()

    def lose(self, reason: str) -> None:
        """The event loop is blocked for good: stop. Called from any thread."""
        if self.stopped is not None:
            self.warnings.append(reason)
        self.stop(LoopLostError(reason))

    def expect(self, cells: int) -> None:
        """Say how many cells this session will work on, for its progress."""
        self._tally.cells = cells

    def progress(self) -> Snapshot:
        """The current counts."""
        return self._tally.snapshot(self.gateway)

    def wind_down(self, *, interrupted: bool = False) -> None:
        """Stop; a session cut short then waits for replies already paid for, and for the trials that they finish."""
        self.stop(HarnessError("The session was interrupted." if interrupted else "The session has ended."))
        if interrupted or self.exit_code in (ExitCode.BUDGET, ExitCode.RETRY_LATER):
            self.loop.run(
                self.gateway.drain(
                    DRAIN_SECONDS if interrupted else self.settings.call_timeout + PATIENCE_SECONDS
                )
            )
            self.loop.run(self._settle())

    async def _settle(self) -> None:
        """Wait briefly for open trials: the last reply of one may finish it, which must be recorded."""
        turns = [self._turns[client.run_id, trial.id] for client, trial in self._open.items()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                for turn in turns:
                    async with turn:
                        pass

    def close(self) -> None:
        """Close the gateway and the files. What could not be kept is in ``unkept`` and among the warnings."""
        if self._loop is None or self._closed:
            return
        self._closed = True
        for end in (self._close_gateway, self._loop.close, self.pool.close_all):
            try:
                end()
            except HarnessError as error:
                self.unkept.append(str(error))
                self._warn(str(error))
        self._emit.session_ended(None if self.stopped is None else str(self.stopped))

    def _close_gateway(self) -> None:
        with contextlib.suppress(LoopLostError):  # `lose` has reported it
            self.loop.run(self.gateway.aclose())

    def conclude(self, own: OwnChecks | None = None) -> list[Conclusion]:
        """Write the artifact of every run that this session worked on, with its ``own`` checks too. After `close`."""
        if self._loop is None:
            return []  # it never started
        try:
            return self._book.conclude(own)
        finally:
            self._emit.close()
