"""The engine of experiments with a `Play`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from harness.engines.dialogue import goal_of, run_dialogue
from harness.engines.play_result import completed, result_of, task_of
from harness.errors import ChangedRequestError, StoppedError
from harness.gateway.calls import CallSite, ModelClient, Reply, Request
from harness.gateway.tools import MAX_ROUNDS, SITE, run_tools
from harness.model import Dialogue, TrialPlan, TrialResult
from harness.user_code import UserCodeError, described, guarded, waiting_at


class OwnPlay:
    """Runs each trial with the experiment's play function, whose model calls go through the given client.

    ``seconds`` limits how long the function may run without a model call in flight or ending.
    """

    name = "own"
    needs_server = False
    trials_at_once: int | None = None

    def __init__(self, seconds: float = float("inf")) -> None:
        self.seconds = seconds

    async def run(self, plan: TrialPlan, client: ModelClient) -> TrialResult:
        """Run the trial.

        Raises `UserCodeError` when the function raises something other than an exception or runs too long without a
        model call, and `HarnessError` if it returns something that is not a result.
        """
        assert plan.play is not None
        start = getattr(client, "start_transcript", None)
        if start is not None and plan.play.transcript:
            start()
        dialogue = isinstance(plan.play, Dialogue)
        function = run_dialogue if dialogue else plan.play.function
        watched = _Client(client)
        if plan.place is not None:
            plan = replace(plan, place=replace(plan.place, tell=watched.noting(plan.place.tell)))
        work = function(plan, watched)
        ends = _Deadline(self.seconds, watched.seen, work)
        try:
            result = await guarded(work, function, "The play")
        except asyncio.CancelledError:
            if not ends.withdraw():
                raise
            raise UserCodeError(
                f"The play ran for {self.seconds:g} s without a model call{ends.place}: {described(function)}"
            ) from None
        except Exception as error:
            if (failure := getattr(client, "failure", None)) is not None:
                raise failure from error  # an SDK says less of it
            raise
        finally:
            ends.cancel()
        failure = getattr(client, "failure", None)
        if failure is not None and (failure.fatal or isinstance(failure, StoppedError | ChangedRequestError)):
            raise failure  # no later call can succeed, even if the play handled this one
        said = getattr(client, "transcript", None)
        transcript = () if said is None else await said()
        task = goal_of(plan) if dialogue else task_of(plan)
        whole = await completed(plan, result_of(plan, result), transcript, task, client)
        return replace(whole, details={**watched.tool_counts, **whole.details})

    async def aclose(self) -> None:
        """Holds nothing."""


class _Client:
    """The trial's client, which also counts its calls and notes."""

    def __init__(self, client: ModelClient) -> None:
        self.under_way = self.events = 0
        self._tools = Counter[tuple[str, str]]()
        self.served = False
        self._client = client

    def __getattr__(self, name: str) -> Any:
        self.served = self.served or name not in ("complete", "embed", "reject")
        return getattr(self._client, name)

    async def complete(self, *arguments: Any, **options: Any) -> Any:
        return await self._counted(self._client.complete(*arguments, **options))

    async def ask(
        self, request: Any, site: Any, *, asks: int | None = None, replies: int | None = None
    ) -> Any:
        """What `complete` was called in version 0.1.0."""
        return await self.complete(request, site, max_rejections=asks, max_replies=replies)

    async def run_tools(
        self,
        request: Request,
        site: CallSite = SITE,
        *,
        tools: Iterable[Callable[..., Any]],
        max_rounds: int = MAX_ROUNDS,
    ) -> Reply:
        """`harness.gateway.tools.run_tools` for this trial, whose record counts calls and errors by tool."""
        return await run_tools(self, request, site, tools=tools, max_rounds=max_rounds, counts=self._tools)

    @property
    def tool_counts(self) -> dict[str, Any]:
        """The detail ``tools`` of the trial's record; nothing if none was called."""
        names = sorted({name for name, _ in self._tools})
        counts = {name: {what: self._tools[name, what] for what in ("calls", "errors")} for name in names}
        return {"tools": counts} if counts else {}

    async def embed(self, *arguments: Any, **options: Any) -> Any:
        return await self._counted(self.__getattr__("embed")(*arguments, **options))

    async def _counted(self, call: Awaitable[Any]) -> Any:
        self.under_way += 1
        try:
            return await call
        finally:
            self.under_way -= 1
            self.events += 1

    def noting(self, tell: Callable[[str], None]) -> Callable[[str], None]:
        """``tell``, counted as an event. A play with a place may also call the gateway's HTTP server."""
        self.served = True

        def noted(note: str) -> None:
            self.events += 1
            tell(note)

        return noted

    def seen(self) -> object:
        """A value that changes with every event, also at the gateway's HTTP server if the trial counts those."""
        account = getattr(self._client, "account", None)
        if self.under_way or getattr(self._client, "under_way", 0) or (account is None and self.served):
            return object()
        return self.events, 0 if account is None else account.usage().total_calls


class _Deadline:
    """Cancels the current task when ``seen`` has the same value again after ``seconds``.

    ``place`` then says at which line the coroutine ``work`` was waiting.
    """

    def __init__(self, seconds: float, seen: Callable[[], object], work: object) -> None:
        self.place = ""
        self._seconds, self._seen, self._work = seconds, seen, work
        self._last: object = (0, 0)
        self._cancelled = 0
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        now = self._seen()
        if now == self._last and self._task is not None:
            self._cancelled += 1
            self.place = waiting_at(self._work)
            self._task.cancel()
        self._last = now
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def withdraw(self) -> bool:
        """Whether only this cancelled the task; the cancellation is then undone."""
        if self._task is None or not self._cancelled:
            return False
        for _ in range(self._cancelled):
            left = self._task.uncancel()
        self._cancelled = 0
        return left == 0

    def cancel(self) -> None:
        self.withdraw()
        self._timer.cancel()
