"""Every reply on disk before its trial sees it: one SQLite file per run, many replies per commit."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import ConfigurationError, HarnessError, ModelCallError
from harness.gateway.journal.replay import JournaledReply

if TYPE_CHECKING:
    from harness.gateway.journal.batches import JournaledBatch
    from harness.gateway.journal.file import Entry, JournalFile

T = TypeVar("T")

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Journal:
    """The replies of all runs below ``folder``, each run in ``<run id>.sqlite``.

    A separate thread writes; entries that arrive during a commit go into the next. Lives on one event loop. Failed
    writes are kept and tried once more when the journal is closed. ``accept_loss``: the user accepts that calls whose
    replies are lost are sent, and paid, again.
    """

    def __init__(self, folder: Path, *, accept_loss: bool = False) -> None:
        self.folder, self.accept_loss = folder, accept_loss
        self._files: dict[str, JournalFile] = {}
        self._thread = ThreadPoolExecutor(1, "harness-journal")
        self._waiting: list[tuple[str, Entry]] = []
        self._unwritten: list[tuple[str, Entry]] = []
        self._next: asyncio.Future[None] | None = None
        self._writing = False

    def open(
        self, run_id: str, *, about: str = "", expected: bool = False, replace: bool = False
    ) -> JournalFile:
        """The run's file, opened as `JournalFile` says unless it is open. Raises as that does."""
        from harness.gateway.journal.file import JournalFile

        if not _RUN.fullmatch(run_id):
            raise ConfigurationError(f"Run id {run_id!r:.120}: expected letters, digits, '_', '.' or '-'.")
        if run_id not in self._files:
            self._files[run_id] = JournalFile(
                self.folder / f"{run_id}.sqlite",
                about=about,
                expected=expected,
                replace=replace,
                accept_loss=self.accept_loss,
            )
        return self._files[run_id]

    def begin(self, run_id: str, trial: str) -> bool:
        """Note that ``trial`` runs; returns whether there may be something to `recall`."""
        self.open(run_id)
        trials = self._files[run_id].trials
        known = trial in trials
        trials.add(trial)
        return known

    async def recall(self, run_id: str, trial: str) -> Sequence[JournaledReply]:
        """The entries of a trial, oldest first. Raises `HarnessError`."""
        await self.flush()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._files[run_id].load, trial)

    async def request(self, run_id: str, digest: str) -> str:
        """A journaled request as canonical JSON; empty if it cannot be read."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._files[run_id].request, digest)

    async def keep(self, run_id: str, trial: str, kept: JournaledReply, body: str, spelled: str = "") -> None:
        """Return when the reply is on disk. ``body`` is its request, as canonical JSON.

        ``spelled`` is the request as it was sent, where that was in another form.

        Raises `ModelCallError`, fatal, when it cannot be written.
        """
        await asyncio.shield(self._add(run_id, (trial, kept, body, spelled)))

    async def batches(self, run_id: str) -> Sequence[JournaledBatch]:
        """The batches of a run, oldest first. Raises `ModelCallError`, fatal, when they cannot be read."""
        return await self._run(self.open(run_id).batches)

    async def keep_batch(self, run_id: str, batch: JournaledBatch) -> None:
        """Return when ``batch`` is on disk. Raises `ModelCallError`, fatal, when it cannot be written."""
        await self._run(self.open(run_id).keep_batch, batch)

    async def drop_batch(self, run_id: str, key: str) -> None:
        """Forget a batch that was never created. Raises `ModelCallError`, fatal."""
        await self._run(self.open(run_id).drop_batch, key)

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except HarnessError as error:
            raise ModelCallError(str(error), fatal=True) from error

    def reject(self, run_id: str, trial: str, kept: JournaledReply, reason: str) -> None:
        """Note that a kept reply was rejected; it is not served again. Does not wait. On the loop's thread."""
        self._add(run_id, (trial, replace(kept, verdict="rejected", reason=reason), "", ""))

    async def flush(self) -> None:
        """Wait until everything that was given so far is on disk, or could not be written."""
        while self._next is not None or self._writing:
            if self._next is None:
                self._next = _quiet(asyncio.get_running_loop())
            await asyncio.wait([self._next])

    async def aclose(self) -> None:
        """Write what waits and close all files. Raises `HarnessError` when something could still not be written."""
        await self.flush()
        try:
            if self._unwritten:
                await asyncio.wrap_future(self._thread.submit(self._write, self._unwritten))
        finally:
            for file in self._files.values():
                await asyncio.wrap_future(self._thread.submit(file.close))
            self._files.clear()
            self._thread.shutdown()

    def _add(self, run_id: str, entry: Entry) -> asyncio.Future[None]:
        self._waiting.append((run_id, entry))
        if self._next is None:
            self._next = _quiet(asyncio.get_running_loop())
            if not self._writing:
                # Not at once, so that simultaneous replies share the commit.
                self._writing = True
                self._next.get_loop().call_soon(self._start)
        return self._next

    def _start(self) -> None:
        """Hand what waits over to the thread."""
        assert self._next is not None
        batch, done = self._waiting, self._next
        self._waiting, self._next = [], None
        loop = done.get_loop()

        def written(work: Future[None]) -> None:
            loop.call_soon_threadsafe(self._written, batch, done, work)

        self._thread.submit(self._write, batch).add_done_callback(written)

    def _written(
        self, batch: list[tuple[str, Entry]], done: asyncio.Future[None], work: Future[None]
    ) -> None:
        self._writing = self._next is not None
        if self._writing:
            self._start()
        error = work.exception()
        if error is None:
            done.set_result(None)
            return
        self._unwritten += batch
        done.set_exception(
            ModelCallError(str(error), fatal=True) if isinstance(error, HarnessError) else error
        )

    def _write(self, batch: list[tuple[str, Entry]]) -> None:
        for run_id in dict.fromkeys(run_id for run_id, _ in batch):
            self._files[run_id].write(entry for run, entry in batch if run == run_id)


def _quiet(loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    """A future whose failure need not be fetched: a rejection is not waited for."""
    future: asyncio.Future[None] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
