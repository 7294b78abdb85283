"""Reach the coordinator from another process of this machine, over a Unix socket.

Messages are pickles with their length in front. A worker first shows the session's secret; nothing of an unknown caller
is unpickled. A request is (number, method, arguments), its answer (number, pickled value, error, stop), in any order;
``stop`` is why the session was stopped, if it was, so that a worker learns of the stop before it sees a call that
failed because of it. The trials of a lost worker are released when its calls in flight have ended: their replies are
paid for and kept, and the next try of a trial finds them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pickle
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any

from harness.errors import ExitCode, HarnessError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.sdk_clients import SdkClients
from harness.gateway.trial_client import TrialClient
from harness.model import Cell, Event, Sample, Trial, TrialFailure, TrialPlan, TrialResult
from harness.runtime.cells import CellOutcome, CellStatus, Entry, TrialOutcome
from harness.runtime.coordinator import Coordinator
from harness.runtime.loop import BackgroundLoop, LoopLostError
from harness.user_code import is_ending, shown

GONE = "Its worker process ended before it did."
LEFT_ALONE = "The process that started this worker is gone."

Stop = tuple[HarnessError, ExitCode]


class CoordinatorServer:
    """Serves ``coordinator`` to workers. ``invitation`` has what a worker needs, as plain strings."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._folder = tempfile.TemporaryDirectory(prefix="harness-")  # no other user may look inside
        self._secret = secrets.token_urlsafe(32)
        self._server: asyncio.Server | None = None
        self._leaving: set[asyncio.Task[Any] | None] = set()
        self.invitation = {"address": str(Path(self._folder.name, "coordinator")), "secret": self._secret}

    def start(self) -> None:
        """Listen."""
        self._coordinator.loop.run(self._start())

    async def _start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.invitation["address"])

    def close(self, patience: float = 0.0) -> None:
        """Listen no more; wait up to ``patience`` seconds for the calls of workers that are gone."""
        with contextlib.suppress(LoopLostError):
            self._coordinator.loop.run(self._close(patience))
        self._folder.cleanup()

    async def _close(self, patience: float) -> None:
        if self._server is not None:
            self._server.close()
        if self._leaving:
            await asyncio.wait({task for task in self._leaving if task}, timeout=patience)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitor = WorkerConnection(self._coordinator, writer)
        try:
            shown = await reader.readexactly(len(self._secret))
            if compare_digest(shown, self._secret.encode()):
                while True:
                    visitor.hear(*await _receive(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._leaving.add(asyncio.current_task())
            writer.close()
            await visitor.leave()


class WorkerConnection:
    """One worker: what it asks for, and what has to be closed when it goes."""

    def __init__(self, coordinator: Coordinator, writer: asyncio.StreamWriter) -> None:
        self._coordinator, self._writer = coordinator, writer
        self._trials: dict[int, TrialClient] = {}
        self._cases: dict[str, Entry] = {}
        self._numbers = itertools.count(1)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        methods = (
            self.enter, self.keep_measurements, self.open_trial, self.complete, self.embed, self.reject, self.record,
            self.close_trial, self.close_case, self.start_server, self.stop, self.write, self.tell_of,
            self.start_transcript, self.transcript,
        )  # fmt: skip
        self._methods: dict[str, Callable[..., Any]] = {method.__name__: method for method in methods}

    def hear(self, number: int, method: str, arguments: Sequence[Any]) -> None:
        """Start a request, in the order of arrival, or cancel it."""
        if method == "cancel":
            if task := self._tasks.get(number):
                task.cancel()
            return
        task = asyncio.ensure_future(self._answer(number, self._methods[method], arguments))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _answer(self, number: int, method: Callable[..., Any], arguments: Sequence[Any]) -> None:
        task = asyncio.current_task()
        try:
            value, error = pickle.dumps(await method(*arguments), pickle.HIGHEST_PROTOCOL), None
        except BaseException as raised:  # without an answer, the worker would wait for ever
            if is_ending(task, raised):
                raise
            value, error = b"", _portable(raised)
        stop = (self._coordinator.stopped, self._coordinator.exit_code) if self._coordinator.stopped else None
        _send(self._writer, (number, value, error, stop))

    async def leave(self) -> None:
        """Give back what is open."""
        while tasks := tuple(self._tasks.values()):
            await asyncio.wait(tasks)
        for client in self._trials.values():
            self._coordinator.close_trial(client)
        for case, entry in self._cases.items():
            self._coordinator.close_case(case, CellOutcome(entry.cell, (), entry.trials, GONE))

    async def enter(self, entries: Sequence[Entry]) -> list[CellStatus]:
        standings = await self._coordinator.enter(entries)
        self._cases.update((one.case, entry) for one, entry in zip(standings, entries, strict=True))
        return standings

    async def keep_measurements(
        self, cell: Cell, found: Mapping[str, Sequence[Sample]]
    ) -> dict[str, TrialOutcome]:
        return await self._coordinator.keep_measurements(cell, found)

    async def open_trial(self, case: str, trial: Trial) -> TrialOutcome | tuple[int, str, str]:
        client = await self._coordinator.open_trial(case, trial)
        if isinstance(client, TrialOutcome):
            return client
        number = next(self._numbers)
        self._trials[number] = client
        return number, client.token, client.base_url

    async def complete(
        self,
        trial: int,
        request: Request,
        site: CallSite,
        max_rejections: int | None,
        max_replies: int | None,
    ) -> Reply:
        return await self._trials[trial].complete(
            request, site, max_rejections=max_rejections, max_replies=max_replies
        )

    async def embed(self, trial: int, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        return await self._trials[trial].embed(texts, model)

    async def reject(self, trial: int, reply: Reply, reason: str) -> None:
        self._trials[trial].reject(reply, reason)

    async def start_transcript(self, trial: int) -> None:
        self._trials[trial].start_transcript()

    async def transcript(self, trial: int) -> tuple[Event, ...]:
        return await self._trials[trial].transcript()

    async def record(self, trial: int, *how: Any) -> TrialOutcome:
        return await self._coordinator.record(self._trials[trial], *how)

    async def close_trial(self, trial: int) -> None:
        self._coordinator.close_trial(self._trials.pop(trial))

    async def close_case(self, case: str, outcome: CellOutcome) -> None:
        self._cases.pop(case, None)
        self._coordinator.close_case(case, outcome)

    async def tell_of(self, trial: Trial, note: str) -> None:
        self._coordinator.tell_of(trial, note)

    async def start_server(self) -> None:
        await self._coordinator.start_server()

    async def stop(self, reason: HarnessError, exit_code: ExitCode) -> None:
        self._coordinator.stop(reason, exit_code)

    async def write(self, cell: Cell, record: Mapping[str, Any]) -> None:
        self._coordinator.write(cell, record)


class RemoteCoordinator:
    """The coordinator as a worker sees it. Its methods raise `HarnessError` when the other process is gone."""

    def __init__(self, address: str, secret: str) -> None:
        self._address, self._secret = address, secret
        self._stop: Stop | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.loop = BackgroundLoop()
        self.pool = RemotePool(self)

    def start(self) -> None:
        """Connect."""
        self.loop.run(self._connect())

    async def _connect(self) -> None:
        reader, self._writer = await asyncio.open_unix_connection(self._address)
        self._writer.write(self._secret.encode())
        self._listening = asyncio.ensure_future(self._listen(reader))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                number, value, error, stop = await _receive(reader)
                self._stop = self._stop or stop
                _settle(self._waiting.pop(number, None), value, error)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._stop = self._stop or (HarnessError(LEFT_ALONE), ExitCode.INTERRUPTED)
            for future in self._waiting.values():
                _settle(future, None, HarnessError(LEFT_ALONE))

    async def call(self, method: str, *arguments: Any) -> Any:
        """What the other side's ``method`` gives, or raises."""
        if self._listening.done():
            raise HarnessError(LEFT_ALONE)
        number = self.tell(method, *arguments)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            return pickle.loads(
                await answer
            )  # here, so that a value that cannot be read fails this call alone
        except asyncio.CancelledError:
            _send(self._writer, (number, "cancel", ()))
            raise
        finally:
            self._waiting.pop(number, None)

    def tell(self, method: str, *arguments: Any) -> int:
        """Have something done on the other side without waiting for it; the request's number. On the loop."""
        number = next(self._numbers)
        _send(self._writer, (number, method, arguments))
        return number

    @property
    def stopped(self) -> HarnessError | None:
        """Why the session ends early, if known here."""
        return self._stop and self._stop[0]

    @property
    def exit_code(self) -> ExitCode:
        """Of the session that was stopped."""
        return self._stop[1] if self._stop else ExitCode.FAILED

    async def start_server(self) -> None:
        await self.call("start_server")

    async def enter(self, entries: Sequence[Entry]) -> list[CellStatus]:
        standings: list[CellStatus] = await self.call("enter", entries)
        return standings

    async def keep_measurements(
        self, cell: Cell, found: Mapping[str, Sequence[Sample]]
    ) -> dict[str, TrialOutcome]:
        kept: dict[str, TrialOutcome] = await self.call("keep_measurements", cell, found)
        return kept

    async def open_trial(self, case: str, trial: Trial) -> RemoteTrial | TrialOutcome:
        opened = await self.call("open_trial", case, trial)
        return opened if isinstance(opened, TrialOutcome) else RemoteTrial(self, *opened)

    async def record(
        self,
        client: RemoteTrial,
        plan: TrialPlan,
        outcome: TrialResult | TrialFailure,
        started: datetime,
        seconds: float,
    ) -> TrialOutcome:
        # Metrics and interventions may hold functions, and are not written down.
        bare = replace(plan, metrics=(), interventions=(), play=None, place=None)
        played: TrialOutcome = await self.call("record", client.number, bare, outcome, started, seconds)
        return played

    def tell_of(self, trial: Trial, note: str) -> None:
        """Show a note in the coordinator's process. On the loop."""
        self.tell("tell_of", trial, note)

    def close_trial(self, client: RemoteTrial) -> None:
        self.tell("close_trial", client.number)

    def close_case(self, case: str, outcome: CellOutcome) -> None:
        self.loop.run(self.call("close_case", case, outcome))

    def stop(self, reason: HarnessError, exit_code: ExitCode = ExitCode.FAILED) -> None:
        """Stop the whole session. On the loop."""
        self._stop = self._stop or (reason, exit_code)
        self.tell("stop", reason, exit_code)

    def lose(self, reason: str) -> None:
        """Stop running trials here: the event loop is blocked for good, so it cannot notify the other process."""
        self._stop = self._stop or (HarnessError(reason), ExitCode.FAILED)

    def progress(self) -> None:
        """Shown by the coordinator's process."""

    def wind_down(self, *, interrupted: bool = False) -> None:
        """Start nothing more here. The coordinator waits for paid replies."""
        reason = "The session was interrupted." if interrupted else "The session has ended."
        self._stop = self._stop or (HarnessError(reason), ExitCode.INTERRUPTED)

    def close(self) -> None:
        """Part."""
        with contextlib.suppress(LoopLostError):
            self.loop.run(_soon(self._writer.close))
        self.loop.close()


class RemoteTrial(SdkClients):
    """What an engine holds of a trial whose gateway is in another process; a `ModelClient`."""

    def __init__(self, coordinator: RemoteCoordinator, number: int, token: str, base_url: str) -> None:
        self.number, self._token, self._base_url = number, token, base_url
        self._coordinator = coordinator

    @property
    def token(self) -> str:
        return self._token

    @property
    def base_url(self) -> str:
        return self._base_url

    async def complete(
        self,
        request: Request,
        site: CallSite,
        *,
        max_rejections: int | None = None,
        max_replies: int | None = None,
    ) -> Reply:
        reply: Reply = await self._coordinator.call(
            "complete", self.number, request, site, max_rejections, max_replies
        )
        return reply

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        vectors: Sequence[Sequence[float]] = await self._coordinator.call("embed", self.number, texts, model)
        return vectors

    def reject(self, reply: Reply, reason: str) -> None:
        self._coordinator.tell("reject", self.number, reply, reason)

    def start_transcript(self) -> None:
        self._coordinator.tell("start_transcript", self.number)

    async def transcript(self) -> tuple[Event, ...]:
        events: tuple[Event, ...] = await self._coordinator.call("transcript", self.number)
        return events


class RemotePool:
    """The files, for tests that write their own lines: ``pool.get(experiment, group, rep).write({...})``."""

    def __init__(self, coordinator: RemoteCoordinator) -> None:
        self._coordinator = coordinator

    def get(self, experiment: str, group: str, rep: int) -> RemoteWriter:
        return RemoteWriter(self._coordinator, Cell(experiment, group, rep))


class RemoteWriter:
    """One cell's file."""

    def __init__(self, coordinator: RemoteCoordinator, cell: Cell) -> None:
        self._coordinator, self._cell = coordinator, cell

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one line. When this returns, it survives the death of any process."""
        self._coordinator.loop.run(self._coordinator.call("write", self._cell, record))


def _send(writer: asyncio.StreamWriter, message: Any) -> None:
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    if not writer.is_closing():
        writer.write(len(body).to_bytes(8) + body)


async def _receive(reader: asyncio.StreamReader) -> Any:
    size = int.from_bytes(await reader.readexactly(8))
    return pickle.loads(await reader.readexactly(size))


def _settle(answer: asyncio.Future[Any] | None, value: Any, error: Exception | None) -> None:
    if answer is None or answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)


def _portable(error: BaseException) -> Exception:
    """The error itself where it can travel."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(shown(error))
    return error if isinstance(error, Exception) else RuntimeError(shown(error))


async def _soon(action: Callable[[], None]) -> None:
    action()
