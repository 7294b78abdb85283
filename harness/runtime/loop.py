"""An event loop on its own thread, so that trials run while pytest works through its cases."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from harness.errors import HarnessError
from harness.user_code import STRIKES, interrupt, place_of, users_frame

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""How often a watched loop is asked whether it responds."""

GRACE_SECONDS = 5.0
"""How long the loop has to respond after the code that blocks it was interrupted; at a session's end, in all."""


BLOCKED = (
    "{} blocks the event loop, and with it every trial. Await asyncio.sleep and asynchronous clients there, or put "
    "what blocks into asyncio.to_thread."
)


class LoopLostError(HarnessError):
    """A user's code blocks the event loop and cannot be interrupted: nothing that needs the loop can be done."""


class BackgroundLoop:
    """Runs coroutines on a daemon thread. A context manager; `close` cancels what still runs.

    ``lost`` says which function blocks the loop, once that has been given up on; see `watch`.
    """

    def __init__(self, name: str = "harness") -> None:
        self.lost: str | None = None
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = threading.Event()
        self._patience = float("inf")
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """Run the loop to its end, restarting it when a task raises something other than an `Exception`.

        The waiter gets that error from the task itself.
        """
        while not self._closing.is_set():
            with contextlib.suppress(BaseException):
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
        """Start ``work`` and wait for it.

        Raises `TimeoutError` after ``timeout`` seconds, and `LoopLostError` once the loop is ``lost``.
        """
        if self.lost is not None:
            work.close()
            raise LoopLostError(self.lost)
        future = self.submit(work)
        ends = float("inf") if timeout is None else time.monotonic() + timeout
        while not future.done():
            left = ends - time.monotonic()
            concurrent.futures.wait([future], timeout=max(0.0, min(LOOK_SECONDS, left)))
            if not future.done() and self.lost is not None:
                raise LoopLostError(self.lost)
            if not future.done() and left <= 0:
                return future.result(0)
        return future.result()

    # Being blocked

    def watch(self, seconds: float, stop: Callable[[str], None]) -> None:
        """Let no user's code block the loop for more than ``seconds``.

        Such code is interrupted, which ends a loop in Python: only its trial fails. ``stop`` is called with a sentence
        that names the function where that does not help within `GRACE_SECONDS`, so that the loop is ``lost``, and when
        it was necessary for the `STRIKES`-th time.
        """
        self._patience = seconds
        threading.Thread(target=self._watch, args=(stop,), name="harness-watch", daemon=True).start()

    def hurry(self) -> None:
        """The session is over: code that still blocks the loop has `GRACE_SECONDS`."""
        self._patience = min(self._patience, GRACE_SECONDS)

    def _watch(self, stop: Callable[[str], None]) -> None:
        strikes, thread = 0, self._thread.ident or 0
        while not self._closing.wait(LOOK_SECONDS):
            answered = threading.Event()
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(answered.set)
            silent, blocking, interrupted = 0.0, None, False
            while not answered.wait(LOOK_SECONDS) and not self._closing.is_set():
                frame = users_frame(thread)
                if frame is None or frame is not blocking:
                    silent, blocking, interrupted = 0.0, frame, False
                    continue
                silent += (
                    LOOK_SECONDS  # counted in looks: a process that was suspended did not block anything
                )
                if interrupted and silent >= GRACE_SECONDS:
                    self.lost = BLOCKED.format(place_of(frame))
                    stop(self.lost)
                    return
                if not interrupted and silent >= self._patience:
                    silent, interrupted, strikes = 0.0, True, strikes + 1
                    if strikes == STRIKES:
                        stop(BLOCKED.format(place_of(frame)))
                        self.hurry()
                    interrupt(thread)

    def close(self) -> None:
        """Cancel what still runs, stop the loop and join the thread. Safe to call twice."""
        if self._loop.is_closed() or self._closing.is_set():
            return
        self.hurry()
        try:
            left = self.run(_cancel_others())
        except LoopLostError:
            self._closing.set()
            return  # the thread is left behind, and ends with the process
        self._closing.set()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        if not left:
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


async def _cancel_others() -> int:
    """Cancel all other tasks; returns how many are still running."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if not others:
        return 0
    _, left = await asyncio.wait(others, timeout=GRACE_SECONDS)
    return len(left)
