"""An event loop on a thread of its own, so that trials go on while pytest works through its cases."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines on a daemon thread. A context manager; `close` cancels what still runs."""

    def __init__(self, name: str = "harness") -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """Run the loop to its end. A task that raises `SystemExit` or `KeyboardInterrupt` stops it in between.

        Whoever waits for that task gets the error from the task itself, so the loop just goes on.
        """
        while not self._closing:
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``work``; the future is the caller's to wait for."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def submit_all(self, works: Sequence[Coroutine[Any, Any, T]]) -> list[Future[T]]:
        """Start all of ``works``, in their order, and wake the loop just once for it."""
        futures: list[Future[T]] = [Future() for _ in works]

        def start() -> None:
            for work, future in zip(works, futures, strict=True):
                task = self._loop.create_task(work)
                self._tasks.add(task)  # the loop itself does not keep it from being collected as garbage
                task.add_done_callback(self._tasks.discard)
                task.add_done_callback(partial(_hand_over, future))

        self._loop.call_soon_threadsafe(start)
        return futures

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Start ``work`` and wait for it. Raises `TimeoutError` after ``timeout`` seconds."""
        return self.submit(work).result(timeout)

    def close(self) -> None:
        """Cancel what still runs, stop the loop and join the thread. Safe to call twice."""
        if self._loop.is_closed():
            return
        self.run(_cancel_others())
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _hand_over(future: Future[T], task: asyncio.Task[T]) -> None:
    """Let ``future`` end as ``task`` did."""
    if task.cancelled():
        future.cancel()
    if not future.set_running_or_notify_cancel():
        return
    error = task.exception()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
