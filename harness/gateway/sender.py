"""The last gate before the provider: every attempt passes it, retries included, one slot each."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from harness.errors import ConfigurationError, ModelCallError, StoppedError
from harness.gateway.budget import Budget, Reservation
from harness.gateway.calls import Reply, Request
from harness.gateway.forecast import Forecast
from harness.gateway.limits import Limits, Permit


class Sender:
    """Budget, limits, a slot, and the counting of what was sent. ``concurrency`` ``None``: no limit.

    Lives on one event loop; `halt` and the counters may be used from any thread, `halt` from a signal handler too.
    """

    def __init__(
        self,
        *,
        concurrency: int | None,
        budget: Budget | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if concurrency is not None and concurrency < 1:
            raise ConfigurationError(f"concurrency={concurrency}; expected 1 or more, or None for no limit.")
        self.calls = 0
        self.calls_by_kind: Counter[str] = Counter()
        self.budget, self.limits = budget, limits
        self._forecasts: dict[int, Forecast] = {}  # by the id of limits of tokens
        self._slots = asyncio.Semaphore(sys.maxsize if concurrency is None else concurrency)
        self._stopped = False
        self._ending: ModelCallError | None = None  # why, where a call's failure stopped it
        self._stop = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clock = clock
        self._sent: dict[SendSlot, float] = {}

    @property
    def stopped(self) -> bool:
        """Whether nothing more is sent in this session."""
        return self._stopped

    @property
    def in_flight(self) -> int:
        """Calls that were sent and not answered yet."""
        return len(self._sent)

    @property
    def longest(self) -> float:
        """The seconds of the oldest call in flight; 0 without one."""
        return max((self._clock() - began for began in list(self._sent.values())), default=0.0)

    def open_for(self, seconds: float) -> int:
        """How many calls have been in flight for ``seconds`` or longer."""
        return sum(self._clock() - began >= seconds for began in list(self._sent.values()))

    @contextlib.asynccontextmanager
    async def turn(
        self, request: Request, kind: str, limits: Limits | None = None
    ) -> AsyncIterator[SendSlot]:
        """Enter when the call may be sent, leave when it is over; the body sets ``reply`` on what this gives.

        ``limits`` are those of its model, within the session's (default: the session's).
        Raises `ModelCallError` because the run was stopped, its budget is used up, or the call can never be sent.
        """
        self.check_running()
        self._loop = asyncio.get_running_loop()
        async with self._slots:
            self.check_running()  # it may have been stopped while this call was queued
            turn = SendSlot(limits or self.limits)
            forecast = self._forecast(turn.limits)
            try:
                await self._allow(request, turn, forecast)
                self._begin(kind, turn)
                yield turn
            except BaseException as error:
                # Cancelled or interrupted: the provider may have answered, and billed.
                turn.lost = not isinstance(error, ModelCallError) or error.lost
                if turn.sent and (isinstance(error, StoppedError) or error is self._ending):
                    self._take_back(kind, turn)  # stopped after its turn began, before it left
                if isinstance(error, ModelCallError):
                    if error.fatal:
                        self.end(error)
                    if not turn.sent:
                        self.check_running()
                raise
            finally:
                if forecast is not None and turn.reply is not None:
                    forecast.learn(request, turn.reply)
                self._end(turn)

    @contextlib.asynccontextmanager
    async def batch_turn(self, request: Request, share: float, *, is_paid: bool) -> AsyncIterator[SendSlot]:
        """Enter when the call may go into a batch, leave when it is over; the body sets ``reply`` on what this gives.

        A batch has its own limits, so the call takes no slot and no permit. The budget holds ``share`` of its price,
        unless it ``is_paid`` by an earlier session: then its reply is counted when it comes. Raises as `turn` does.
        """
        self.check_running()
        self._loop = asyncio.get_running_loop()
        turn = SendSlot()
        turn.sent = is_paid
        try:
            if self.budget is not None and not is_paid:
                turn.reservation = await self.budget.reserve(request, share)
            self.check_running()
            yield turn
        except BaseException as error:
            turn.lost = not isinstance(error, ModelCallError) or error.lost
            if isinstance(error, ModelCallError) and error.fatal:
                self.end(error)
            raise
        finally:
            turn.book()
            if self.budget is not None and is_paid and turn.reply is not None:
                self.budget.count(turn.reply)

    def note_batched(self, turn: SendSlot, kind: str) -> None:
        """The call of ``turn`` was sent, in a batch."""
        self.calls += 1
        self.calls_by_kind[kind] += 1
        turn.sent = True

    @contextlib.contextmanager
    def submission(self) -> Iterator[None]:
        """While a batch is being created, which `drain` waits for."""
        slot = SendSlot()
        self._sent[slot] = self._clock()
        self._idle.clear()
        try:
            yield
        finally:
            self._end(slot)

    def _forecast(self, limits: Limits | None) -> Forecast | None:
        if limits is None or limits.least_tpm is None:
            return None
        return self._forecasts.setdefault(id(limits), Forecast(limits.least_tpm))

    async def _allow(self, request: Request, turn: SendSlot, forecast: Forecast | None) -> None:
        """Hold what the call may take of budget and limits."""
        if self.budget is not None:
            turn.reservation = await self.budget.reserve(request)
        if turn.limits is not None:
            turn.permit = await turn.limits.acquire(forecast.tokens(request) if forecast else 0)
        self.check_running()

    def _begin(self, kind: str, turn: SendSlot) -> None:
        self.calls += 1
        self.calls_by_kind[kind] += 1
        self._sent[turn] = self._clock()
        self._idle.clear()
        turn.sent = True

    def _take_back(self, kind: str, turn: SendSlot) -> None:
        self.calls -= 1
        self.calls_by_kind[kind] -= 1
        turn.sent = False

    def _end(self, turn: SendSlot) -> None:
        turn.book()
        if self._sent.pop(turn, None) is not None and not self._sent:
            self._idle.set()

    async def pause(self, seconds: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Sleep, or less if the run is stopped meanwhile."""
        naps = [asyncio.ensure_future(sleep(seconds)), asyncio.ensure_future(self._stop.wait())]
        try:
            await asyncio.wait(naps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for nap in naps:
                nap.cancel()

    def end(self, error: ModelCallError) -> None:
        """What can only repeat is met once: no queued call is sent any more, each gets the same error."""
        if not self._stopped:
            self._ending = error
            self.halt()

    def halt(self) -> None:
        """Send nothing more: queued and later calls raise `ModelCallError`, those in flight continue."""
        if self._stopped:
            return
        self._stopped = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Wait up to ``timeout`` seconds for the calls in flight; whether all came back."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            return False
        return True

    def _wake(self) -> None:
        self._stop.set()
        for gate in (self.budget, self.limits):
            if gate is not None:
                gate.halt()
        self._slots.release()  # the first queued call sees that it is over, leaves, and so wakes the next

    def check_running(self) -> None:
        """Raise `StoppedError`, or the error that ended the session, once nothing more may be sent. From any thread."""
        if self._ending is not None:
            raise self._ending.with_traceback(None)
        if self._stopped:
            raise StoppedError("the run stopped before this call was sent.")


class SendSlot:
    """What one attempt holds of budget and limits, and what became of it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits
        self.reservation: Reservation | None = None
        self.permit: Permit | None = None
        self.reply: Reply | None = None
        self.sent = self.lost = False

    def book(self) -> None:
        reply = self.reply
        if self.limits is not None and self.permit is not None:
            self.limits.settle(self.permit, reply.tokens_in + reply.tokens_out if reply else 0)
        if self.reservation is None:
            return
        if reply is not None:
            self.reservation.settle(reply)
        else:
            self.reservation.release(sent=self.sent, maybe_billed=self.sent and self.lost)
