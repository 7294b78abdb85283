"""A pool of replaceable worker processes for code with global state."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any, TypeVar

T = TypeVar("T")


class WorkerDiedError(Exception):
    """The worker process ended in the middle of its work."""


class _DiedIdleError(WorkerDiedError):
    """The worker process ended before its work began: another one can take it."""


class Workers:
    """At most ``size`` processes, each started when first needed and kept for later work.

    Each has its own executor, because in a shared pool the death of one process fails the work of all.
    ``initializer`` runs first in each process, with ``arguments``; the fork server imports the module ``preload``
    with ``environment`` set.
    """

    def __init__(
        self,
        size: int,
        initializer: Callable[..., None],
        arguments: tuple[Any, ...],
        *,
        preload: str,
        environment: Mapping[str, str],
    ) -> None:
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._make = partial(_Worker, initializer, arguments)
        _start_server(preload, environment)

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """``function(*arguments)`` in a process. Raises `WorkerDiedError`, and what the function raises.

        When the waiting task is cancelled, the process is ended.
        """
        async with self._free:
            while self._idle:
                with suppress(_DiedIdleError):
                    return await self._run(self._idle.pop(), function, arguments)
            return await self._run(self._make(), function, arguments)

    async def _run(self, worker: _Worker, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        self._busy.add(worker)
        try:
            result = await worker.run(function, arguments)
        except (WorkerDiedError, asyncio.CancelledError):
            worker.end()
            raise
        except BaseException:  # what a function of the user's raised: the process lives on
            self._idle.append(worker)
            raise
        finally:
            self._busy.discard(worker)
        self._idle.append(worker)
        return result

    def end(self) -> None:
        """End all processes now, whatever they are doing."""
        for worker in (*self._idle, *self._busy):
            worker.end()
        self._idle.clear()


class _Worker:
    """One process. It lives while this end of its lifeline is open, so it ends with this process."""

    def __init__(
        self,
        initializer: Callable[..., None],
        arguments: tuple[Any, ...],
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        theirs, self._lifeline = context.Pipe(duplex=False)
        self._executor: Executor = ProcessPoolExecutor(
            1, mp_context=context, initializer=_live, initargs=(theirs, initializer, arguments)
        )

    async def run(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        try:
            # In a thread: starting the process waits until the server has imported what it preloads.
            future = await asyncio.to_thread(self._executor.submit, function, *arguments)
        except BrokenProcessPool as error:
            raise _DiedIdleError(str(error)) from None
        try:
            return await asyncio.wrap_future(future)
        except BrokenProcessPool as error:
            raise WorkerDiedError(str(error)) from None

    def end(self) -> None:
        self._lifeline.close()
        self._executor.shutdown(wait=False, cancel_futures=True)


def _start_server(preload: str, environment: Mapping[str, str]) -> None:
    """Start the server that forks the workers. A running server, of others, stays unchanged.

    The environment is the only way to tell a preloaded module anything.
    """
    forkserver.set_forkserver_preload([preload])
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _live(lifeline: Connection, initializer: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Start a worker: ignore Ctrl-C, which the session handles, and end when the lifeline breaks."""
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()
    initializer(*arguments)


def _watch(lifeline: Connection) -> None:
    lifeline.poll(None)  # nothing is ever sent: this returns when the other end is closed
    os._exit(0)
