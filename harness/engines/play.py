"""The engine of experiments with a `Play`."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any

from harness.engines.dialogue import goal_of, run_dialogue
from harness.engines.play_result import completed, result_of, task_of
from harness.engines.survey import run_survey
from harness.errors import ChangedRequestError, StoppedError
from harness.gateway.calls import CallSite, ModelClient, Reply, Request
from harness.gateway.tools import MAX_ROUNDS, SITE, run_tools
from harness.model import Dialogue, Play, Survey, TrialPlan, TrialResult
from harness.model.watched_settings import UNREAD, WatchedSettings, unread
from harness.user_code import UserCodeError, described, guarded, waiting_at

CANCEL_SECONDS = 5.0
"""How long a play that is cancelled has to end; then it is left behind."""


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
        play = plan.play
        assert play is not None
        start = getattr(client, "start_transcript", None)
        if start is not None and play.transcript and not isinstance(play, Survey):
            start()
        function = _function_of(play)
        watched = _Client(client)
        if plan.place is not None:
            plan = replace(plan, place=replace(plan.place, tell=watched.noting(plan.place.tell)))
        arm, shared = WatchedSettings(plan.arm), WatchedSettings(plan.settings)
        plan = replace(plan, arm=arm, settings=shared)
        work = function(plan, watched)
        try:
            result = await self._finished(work, play.function or function, watched)
        except Exception as error:
            if (failure := getattr(client, "failure", None)) is not None:
                raise failure from error  # an SDK says less of it
            raise
        finally:
            watched.closed = True
        failure = getattr(client, "failure", None)
        if failure is not None and (failure.fatal or isinstance(failure, StoppedError | ChangedRequestError)):
            raise failure  # no later call can succeed, even if the play handled this one
        said = getattr(client, "transcript", None)
        transcript = () if said is None else await said()
        task = goal_of(plan) if isinstance(play, Dialogue) else task_of(plan)
        whole = await completed(plan, result_of(plan, result), transcript, task, client)
        left = unread(arm, shared)
        return replace(
            whole, details={**watched.tool_counts, **whole.details, **({UNREAD: left} if left else {})}
        )

    async def _finished(self, work: Any, function: Any, watched: _Client) -> Any:
        """What the coroutine ``work`` of ``function`` returns.

        One that shows no event for ``seconds`` is cancelled, and left behind if it ignores that; `UserCodeError` then
        says at which line it was waiting.
        """
        task = asyncio.ensure_future(guarded(work, function, "The play"))
        last: object = (0, 0)
        try:
            while not (await asyncio.wait({task}, timeout=_timeout(self.seconds)))[0]:
                seen = watched.seen()
                if seen == last:
                    place = waiting_at(work)
                    ignored = "" if await _cancelled(task) else " and ignored its cancellation"
                    raise UserCodeError(
                        f"The play ran for {self.seconds:g} s without a model call{place}{ignored}: "
                        f"{described(function)}"
                    )
                last = seen
        except asyncio.CancelledError:
            await _cancelled(task)
            raise
        return task.result()

    async def aclose(self) -> None:
        """Holds nothing."""


class _Client:
    """The trial's client, which also counts its calls and notes. ``closed``: the trial has ended."""

    def __init__(self, client: ModelClient) -> None:
        self.under_way = self.events = 0
        self._tools = Counter[tuple[str, str]]()
        self.served = self.closed = False
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

    async def _counted(self, call: Coroutine[Any, Any, Any]) -> Any:
        if self.closed:
            call.close()
            raise StoppedError("The trial has ended: nothing more is sent for it.")
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


def _function_of(play: Play) -> Any:
    """What runs a trial of ``play``."""
    if isinstance(play, Survey):
        return run_survey
    return run_dialogue if isinstance(play, Dialogue) else play.function


def _timeout(seconds: float) -> float | None:
    return None if math.isinf(seconds) else seconds


async def _cancelled(task: asyncio.Task[Any]) -> bool:
    """Whether ``task`` ended soon after it was cancelled."""
    task.cancel()
    task.add_done_callback(
        lambda ended: ended.cancelled() or ended.exception()
    )  # else it is said to be unretrieved
    done, _ = await asyncio.wait({task}, timeout=CANCEL_SECONDS)
    return bool(done)
