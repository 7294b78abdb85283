"""Calling functions that users wrote, so that nothing they raise ends a session and none of them takes for ever.

Plain functions (metrics, preconditions, checks) run on a daemon thread, one at a time, each within a time limit: one
that exceeds it is left behind there, and a new thread serves the next. Coroutines (plays, providers) run where they are
awaited; `guarded` turns what would end the event loop into an ordinary error.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import partial
from pathlib import Path
from types import CodeType, CoroutineType, FrameType
from typing import Any, TypeVar

from harness.errors import HarnessError

T = TypeVar("T")

TIME_LIMIT = 60.0
"""Seconds that a function may take, unless the session says otherwise."""

STRIKES = 3
"""How often a function may exceed the limit in one session; then it is not called again."""

SHOWN = 500
"""Characters of an exception's text that are kept."""


class UserCodeError(HarnessError):
    """A function that a user wrote raised something, or did not return in time. The text names function and place."""


def described(function: Any) -> str:
    """A function's module and name, and where it was defined.

    >>> described(described)[:43]
    'harness.user_code.described (user_code.py:4'
    """
    function = _unwrapped(function)
    owner = function if hasattr(function, "__qualname__") else type(function)
    name = f"{getattr(owner, '__module__', '?')}.{getattr(owner, '__qualname__', '?')}"
    code = getattr(function, "__code__", None) or getattr(_method(function), "__code__", None)
    return f"{name} ({_place(code, code.co_firstlineno)})" if isinstance(code, CodeType) else name


def _method(function: Any) -> Any:
    """What runs when an object that is not itself a function is called."""
    return vars(type(function)).get("__call__")


def _unwrapped(function: Any) -> Any:
    while isinstance(function, partial):
        function = function.func
    return function


def _place(code: CodeType, line: int) -> str:
    return f"{Path(code.co_filename).name}:{line}"


def shown(error: BaseException) -> str:
    """The class and the text of what was raised, bounded, even where making that text fails."""
    kind = type(error).__name__
    try:
        text = str(error)[:SHOWN]
    except BaseException:
        text = "(its text cannot be shown)"
    return f"{kind}: {text}" if text else kind


async def guarded(work: Awaitable[T], function: Any, what: str) -> T:
    """Await the ``work`` of a user's asynchronous ``function``, which messages call ``what``.

    An `Exception` passes. Raises `UserCodeError` for anything else that is not the cancellation of this very task:
    ``SystemExit`` would end the event loop, and a foreign ``CancelledError`` would pass for the session's own.
    """
    task = asyncio.current_task()
    try:
        return await work
    except Exception:
        raise
    except BaseException as error:
        if is_ending(task, error):
            raise
        raise raised_by(what, function, error) from error


def attempt(what: str, work: Callable[[], T]) -> T:
    """What ``work`` gives, on this thread and without a time limit: an import, or a factory.

    Ctrl-C and a `HarnessError` pass. Raises `UserCodeError` for everything else.
    """
    try:
        return work()
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise UserCodeError(f"{what} raised {shown(error)}.") from error


def is_ending(task: asyncio.Task[Any] | None, error: BaseException) -> bool:
    """Whether ``error`` reached ``task`` because the task is cancelled or destroyed, not because its code raised it."""
    try:
        running = asyncio.current_task()
    except RuntimeError:
        running = None
    if task is None or running is not task:
        return True
    return isinstance(error, asyncio.CancelledError) and task.cancelling() > 0


def raised_by(what: str, function: Any, error: BaseException) -> UserCodeError:
    """The message for a user's ``function`` that raised ``error``."""
    if isinstance(error, Overdue):
        return UserCodeError(
            f"{what} blocked the event loop, and every other trial with it, until it was interrupted"
            f"{_seen(_innermost(error))}: {described(function)}"
        )
    return UserCodeError(f"{what} raised {shown(error)}, in {described(function)}")


def waiting_at(work: Any) -> str:
    """Where a user's coroutine waits, in brackets: the innermost line that is the user's own."""
    found = None
    while isinstance(work, CoroutineType) and (frame := work.cr_frame) is not None:
        ours = _package(frame) == "harness"
        if ours and found is not None:
            break
        if not ours and _package(frame) not in sys.stdlib_module_names:
            found = frame
        work = work.cr_await
    return _seen(found)


class Overdue(BaseException):
    """Raised inside code that exceeded its limit, which frees its thread where that is possible."""


def _innermost(error: BaseException) -> FrameType | None:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return None if trace is None else trace.tb_frame


def users_frame(thread: int) -> FrameType | None:
    """The frame of the user's function that ``thread`` is in: the one that this package or asyncio called."""
    frame, found = sys._current_frames().get(thread), None
    while frame is not None and _package(frame) not in ("harness", "asyncio"):
        if _package(frame) not in sys.stdlib_module_names:
            found = frame
        frame = frame.f_back
    return found if frame is not None else None


def place_of(frame: FrameType) -> str:
    """A running function's module and name, and the line that it is at."""
    name = f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}"
    return f"{name} ({_place(frame.f_code, frame.f_lineno)})"


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


class _Job:
    """One call. ``began`` and ``thread`` are set when its turn comes, ``over`` when it ended or was given up."""

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        what: str,
        then: Callable[[Any], Any] | None,
    ) -> None:
        self.function, self.arguments, self.what, self.then = function, arguments, what, then
        self.context = copy_context()
        self.done: Callable[[], None] = lambda: None
        self.began: float | None = None
        self.thread = 0
        self.over = False
        self.value: Any = None
        self.error: UserCodeError | None = None

    def run(self) -> None:
        try:
            value = self.context.run(self.function, *self.arguments)
            self.value = value if self.then is None else self.then(value)
        except Overdue:
            raise
        except BaseException as error:
            self.error = raised_by(self.what, self.function, error)
            self.error.__cause__ = error

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


class FunctionRunner:
    """Runs users' plain functions on a daemon thread, one at a time, each for at most ``seconds``.

    Functions of this package run at once, on the caller's thread. ``what`` is what messages call the function.
    ``then`` reads what it returned, under the same protection: a number, or the items of a generator.
    """

    def __init__(self, seconds: float = TIME_LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self._clock = seconds, clock
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._strikes: Counter[str] = Counter()
        self._lock = threading.Lock()

    async def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        what: str = "The function",
        then: Callable[[Any], Any] | None = None,
    ) -> Any:
        """The result of ``function``. Raises `UserCodeError` if it raises anything, or does not return."""
        job = _Job(function, arguments, what, then)
        if _is_ours(function):
            job.run()
            return job.result()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[None] = loop.create_future()

        def settle() -> None:
            if not answer.done():
                answer.set_result(None)

        def done() -> None:
            with suppress(RuntimeError):  # the loop is closed: the session ended without this answer
                loop.call_soon_threadsafe(settle)

        def look() -> None:
            left = self._seconds_left(job)
            if left > 0:
                timers.append(loop.call_later(left, look))
            else:
                self._give_up(job)

        timers = [loop.call_later(self.seconds, look)]
        try:
            self._submit(job, done)
            await answer
        finally:
            timers[-1].cancel()
        return job.result()

    def call_now(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        what: str = "The function",
        then: Callable[[Any], Any] | None = None,
    ) -> Any:
        """The same without an event loop; the caller's thread waits, and Ctrl-C ends the wait."""
        job = _Job(function, arguments, what, then)
        if _is_ours(function):
            job.run()
            return job.result()
        ended = threading.Event()
        self._submit(job, ended.set)
        while not ended.wait(max(0.0, self._seconds_left(job))):
            if self._seconds_left(job) <= 0:
                self._give_up(job)
        return job.result()

    def _submit(self, job: _Job, done: Callable[[], None]) -> None:
        job.done = done
        if self._strikes and self._strikes[described(job.function)] >= STRIKES:
            job.error = self._overdue(job, f" {STRIKES} times, and is not called again in this session")
            done()
            return
        self._jobs.put(job)
        with self._lock:
            self._start()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="harness-functions", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        with suppress(Overdue):
            while self._thread is threading.current_thread():
                job = self._jobs.get()
                job.thread, job.began = threading.get_ident(), self._clock()
                job.run()
                with self._lock:
                    given_up, job.over = job.over, True
                if given_up:
                    return
                job.done()

    def _seconds_left(self, job: _Job) -> float:
        """How long the function may still take. All of it while it waits for its turn."""
        return self.seconds if job.began is None else job.began + self.seconds - self._clock()

    def _give_up(self, job: _Job) -> None:
        """Leave the function behind with its thread; what waits goes to a new one."""
        with self._lock:
            if job.over:
                return
            job.over = True
            job.error = self._overdue(job, _seen(sys._current_frames().get(job.thread)))
            self._strikes[described(job.function)] += 1
            interrupt(job.thread)
            self._thread = None
            self._start()
        job.done()

    def _overdue(self, job: _Job, more: str) -> UserCodeError:
        return UserCodeError(
            f"{job.what} did not return within {self.seconds:g} s{more}: {described(job.function)}"
        )


def _is_ours(function: Any) -> bool:
    return str(getattr(_unwrapped(function), "__module__", "")).startswith("harness.")


def _seen(frame: FrameType | None) -> str:
    return "" if frame is None else f" (it was at {_place(frame.f_code, frame.f_lineno)})"


def interrupt(thread: int) -> None:
    """Raise an exception in ``thread`` that ends a loop in Python. Code that waits in C continues until it returns."""
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Overdue))


runner: ContextVar[FunctionRunner] = ContextVar("harness_functions", default=FunctionRunner())  # noqa: B039
"""Who runs users' functions in this context: the session's runner in its trials."""
