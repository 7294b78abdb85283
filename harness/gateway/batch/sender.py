"""Gathers calls that can wait into batches, sends each once, and collects it, in this session or a later one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from harness.errors import (
    AdaptedError,
    BatchRefusedError,
    ModelCallError,
    RefusedKeyError,
    StoppedError,
    UnreachableError,
)
from harness.gateway.batch.api import BatchAPI, BatchItem, BatchProvider
from harness.gateway.batch.collector import BatchCollector
from harness.gateway.batch.open_batch import OpenBatch, batches_in_words, calls_in_words
from harness.gateway.calls import Reply, Request
from harness.gateway.first_calls import FirstCalls
from harness.gateway.journal.batches import BatchedCall, JournaledBatch, SampleKey, sample_key
from harness.gateway.journal.journal import Journal
from harness.gateway.journal.replay import SampleSlot
from harness.gateway.pending_call import SOON_SECONDS, PendingCall
from harness.gateway.providers.dialect import SentForm
from harness.gateway.requests.call_kinds import can_wait
from harness.gateway.retry import RetryPolicy
from harness.gateway.sender import Sender, SendSlot
from harness.gateway.waiting import Waiting

T = TypeVar("T")

QUIET_SECONDS = 0.5
"""A batch is sent when no other call is under way and none has joined it for so long."""

LONGEST_GATHERING = 600.0
"""Seconds after which a batch is sent while other calls are still under way."""

SETTLE_SECONDS = 2.0
"""How long after a lost answer the server is asked whether it has created the batch."""


@dataclass(slots=True, eq=False)
class BatchPlace:
    """The place of one call in a batch. ``batch`` is one that has it already, as its call ``number``.

    ``limit`` is the default output limit that it was, or is, sent with.
    """

    call: PendingCall
    provider: BatchProvider
    api: BatchAPI
    sample: SampleKey
    limit: int | None
    batch: OpenBatch | None = None
    number: int = 0
    turn: SendSlot | None = None

    @property
    def is_paid(self) -> bool:
        """Whether an earlier session has sent it."""
        return self.batch is not None


@dataclass(slots=True, eq=False)
class _Gathering:
    """Calls of one run to one model that go into the next batch."""

    run_id: str
    api: BatchAPI
    provider: BatchProvider
    model: str
    since: float
    places: list[tuple[BatchPlace, Mapping[str, Any], SentForm]] = field(default_factory=list)
    bytes: int = 0
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    error: BaseException | None = None


class BatchSender:
    """Sends calls that can wait through the batch APIs of their providers.

    A batch is in the journal, with the samples of its calls, before it is created, and its id before anything waits
    for it. So a later session finds the batch that has a call, and collects that instead of sending the call again;
    it does so whether it ``gathers`` calls for batches or not.
    ``under_way`` counts the calls of the session that have not ended; ``notify`` gets warnings, ``inform`` news.
    Lives on the gateway's event loop; `waiting` and `open_batches` may be called from any thread.
    """

    def __init__(
        self,
        *,
        journal: Journal | None,
        sender: Sender,
        retry: RetryPolicy,
        first_calls: FirstCalls,
        under_way: Callable[[], int],
        notify: Callable[[str], None],
        inform: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]],
        wall: Callable[[], float],
        clock: Callable[[], float],
        gathers: bool,
        new_key: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._gathers = gathers
        self._journal, self._sender, self._retry = journal, sender, retry
        self._first_calls, self._under_way = first_calls, under_way
        self._notify, self._inform = notify, inform
        self._sleep, self._wall, self._clock, self._new_key = sleep, wall, clock, new_key
        self._collector = BatchCollector(journal=journal, sender=sender, notify=notify, sleep=sleep)
        self._held = self._arrived = 0
        self._gathering: dict[tuple[str, int, str], _Gathering] = {}
        self._known: dict[str, dict[SampleKey, tuple[JournaledBatch, int]]] = {}  # by run
        self._loading = asyncio.Lock()
        self._open: dict[str, OpenBatch] = {}  # by key
        self._tasks: set[asyncio.Task[None]] = set()
        self._flushing: asyncio.Task[None] | None = None

    # Where a call goes

    @contextlib.asynccontextmanager
    async def place(self, call: PendingCall, question: SampleSlot) -> AsyncIterator[BatchPlace | None]:
        """Enter with the call's place in a batch, or with ``None`` where it is to be sent as an ordinary call.

        Only the first reply to a question comes in a batch: one that has to be asked again is not kept waiting.
        """
        provider = call.provider
        api = provider.batches if isinstance(provider, BatchProvider) else None
        is_first = not call.was_batched and not question.draws
        if api is None or not is_first or not can_wait(call.site):
            yield None
            return
        assert isinstance(provider, BatchProvider)
        self._held += 1
        try:
            client = call.client
            sample = sample_key(
                client.trial_id, question.site, question.digest, question.occurrence, question.draws
            )
            place = BatchPlace(call, provider, api, sample, call.limit)
            known = await self._known_batches(client.run_id)
            if sample in known:
                kept, place.number = known[sample]
                place.limit = kept.calls[place.number].limit
                place.batch = self._joined(client.run_id, kept, place)
            yield place if place.batch is not None or self._gathers else None
        finally:
            self._held -= 1

    async def _known_batches(self, run_id: str) -> dict[SampleKey, tuple[JournaledBatch, int]]:
        async with self._loading:
            if run_id not in self._known:
                batches = await self._journal.batches(run_id) if self._journal else ()
                self._known[run_id] = {
                    one.sample: (batch, number) for batch in batches for number, one in enumerate(batch.calls)
                }
            return self._known[run_id]

    def _joined(self, run_id: str, kept: JournaledBatch, place: BatchPlace) -> OpenBatch:
        """The batch ``kept``, which is watched from now on."""
        if kept.key not in self._open:
            batch = self._open[kept.key] = OpenBatch(run_id, kept, place.api, _place(place.provider))
            self._inform(
                f"Collecting the batch {batch.name} of {calls_in_words(len(kept.calls))}, sent by an earlier session."
            )
            self._start(self._watch(batch))
        return self._open[kept.key]

    async def answer(self, place: BatchPlace, turn: SendSlot, asked: Request) -> Reply:
        """The reply to ``asked`` from its batch. Raises `ModelCallError`; then the call is sent as an ordinary one."""
        call = place.call
        place.turn = turn
        if place.batch is None:
            sent = await self._gather(place, asked)
        else:
            sent = SentForm(*place.batch.kept.calls[place.number].spelling)
        assert place.batch is not None
        answer = await place.batch.answer(place.number)
        self._known[call.client.run_id].pop(place.sample, None)
        call.was_batched = True
        if isinstance(answer, str):
            raise ModelCallError(
                f"Call {call.site.kind!r} of {call.client.trial_id}: the batch {place.batch.name} has no reply to it "
                f"({answer}).",
                retry_after=SOON_SECONDS,
                brief=f"no reply in the batch ({answer})",
            )
        try:
            return replace(place.provider.read(answer, asked, sent), batch=place.batch.kept.id)
        except AdaptedError:
            call.was_batched = False  # the next try goes into a batch too, spelled as the server wants it
            raise

    # Gathering and sending

    async def _gather(self, place: BatchPlace, asked: Request) -> SentForm:
        """Put a call into the next batch, and return when that is sent."""
        call, provider, api = place.call, place.provider, place.api
        sent = provider.spelling(asked)
        body = provider.body(asked, sent)
        size = len(json.dumps(body, default=dict))
        model = asked.model or provider.model
        key = (call.client.run_id, id(provider), model)
        group = self._gathering.get(key)
        if group and (len(group.places) >= api.most_calls or group.bytes + size > api.most_bytes):
            self._send(key)
            group = None
        if group is None:
            group = _Gathering(call.client.run_id, api, provider, model, self._clock())
            self._gathering[key] = group
        group.places.append((place, body, sent))
        group.bytes += size
        self._arrived += 1
        if self._flushing is None or self._flushing.done():
            self._flushing = self._start(self._flush())
        try:
            await group.sent.wait()
        except asyncio.CancelledError:
            group.places = [one for one in group.places if one[0] is not place]
            raise
        if group.error is not None:
            raise group.error.with_traceback(None)
        return sent

    async def _flush(self) -> None:
        """Send what was gathered once it is quiet."""
        while self._gathering:
            before = self._arrived
            await self._sender.pause(QUIET_SECONDS, self._sleep)
            try:
                self._sender.check_running()
            except ModelCallError as error:
                for group in self._gathering.values():
                    group.error = error
                    group.sent.set()
                self._gathering.clear()
                return
            budget = self._sender.budget
            held = self._held + (budget.waiting if budget else 0)
            quiet = self._arrived == before and self._under_way() <= held
            for key, group in list(self._gathering.items()):
                if quiet or self._clock() - group.since >= LONGEST_GATHERING:
                    self._send(key)

    def _send(self, key: tuple[str, int, str]) -> None:
        group = self._gathering.pop(key)
        if group.places:  # else all its calls were given up
            self._start(self._create_and_watch(group))

    async def _create_and_watch(self, group: _Gathering) -> None:
        calls = [
            BatchedCall(place.sample, place.limit, (sent.limit, sent.form, sent.as_user))
            for place, _, sent in group.places
        ]
        kept = JournaledBatch(self._new_key(), group.model, self._wall(), calls)
        batch = OpenBatch(group.run_id, kept, group.api, _place(group.provider))
        batch.items = [
            BatchItem(batch.call_name(number), body) for number, (_, body, _) in enumerate(group.places)
        ]
        try:
            with self._sender.submission():
                await self._create(batch, group.provider)
        except ModelCallError as error:
            group.error = error
            return
        except BaseException:
            group.error = StoppedError("the run stopped before this call was sent.")
            raise
        else:
            self._note_sent(batch, group)
        finally:
            group.sent.set()
        await self._watch(batch)

    def _note_sent(self, batch: OpenBatch, group: _Gathering) -> None:
        self._open[batch.kept.key] = batch
        known = self._known.setdefault(group.run_id, {})
        for number, (place, _, _) in enumerate(group.places):
            place.batch, place.number = batch, number
            known[place.sample] = (batch.kept, number)
            assert place.turn is not None
            self._sender.note_batched(place.turn, place.call.site.kind)
        batch.items = ()

    async def _create(self, batch: OpenBatch, provider: BatchProvider) -> None:
        """Create ``batch``. It has an id afterwards, unless the answer was lost: the collector finds out then.

        Raises `ModelCallError`, fatal, where it cannot be created.
        """
        await self._collector.keep(batch)
        failed = 0
        while True:
            try:
                batch_id = await batch.api.create(batch.kept.key, batch.items)
            except ModelCallError as error:
                answered = self._first_calls.answered(provider)
                seconds = self._retry.pause(error, failed, answered=answered)
                if error.lost:
                    await self._sender.pause(SETTLE_SECONDS, self._sleep)
                    return
                if seconds is None or isinstance(error, StoppedError):
                    await self._drop(batch)
                    raise _refusal(batch, error) from None
                failed += 1
                await self._sender.pause(seconds, self._sleep)
                self._sender.check_running()
            else:
                self._first_calls.note_answer(provider)
                batch.kept = batch.kept.with_id(batch_id)
                await self._collector.keep(batch)
                return

    async def _drop(self, batch: OpenBatch) -> None:
        known = self._known.get(batch.run_id, {})
        for one in batch.kept.calls:
            known.pop(one.sample, None)
        self._open.pop(batch.kept.key, None)
        if self._journal is not None:
            await self._journal.drop_batch(batch.run_id, batch.kept.key)

    # Collecting

    async def _watch(self, batch: OpenBatch) -> None:
        """Wait for ``batch``, and hand its answers over."""
        try:
            answers = await self._collector.collect(batch)
        except asyncio.CancelledError:
            batch.fail(StoppedError("the session ended before the batch did."))
            raise
        except Exception as error:
            if self._sender.stopped:
                self._notify(f"{_open_text([batch])} at {batch.place}: rerun the same command to collect it.")
            batch.fail(error)
        else:
            if answers is None:
                await self._drop(batch)
                batch.fail(AdaptedError("The batch was not created: the server does not list it."))
            else:
                batch.deliver(answers)

    # Looking and ending

    @property
    def open_batches(self) -> str:
        """What stays at providers if the session ends now, in words; empty where nothing does."""
        return _open_text(self._awaited())

    def waiting(self) -> Waiting | None:
        """The batches that are waited for; ``None`` without any."""
        found = self._awaited()
        if not found:
            return None
        calls, answered = sum(len(one.kept.calls) for one in found), sum(one.answered for one in found)
        oldest = min(one.kept.created for one in found)
        trouble = next((one.trouble for one in found if one.trouble), "")
        reason = f"{batches_in_words(len(found))} of {calls_in_words(calls)}" + (
            f"; {trouble}" if trouble else ""
        )
        return Waiting(reason, elapsed=max(0.0, self._wall() - oldest), answered=answered)

    def _awaited(self) -> list[OpenBatch]:
        return [one for one in list(self._open.values()) if not one.is_over]

    async def aclose(self) -> None:
        """Stop waiting."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _refusal(batch: OpenBatch, error: ModelCallError) -> ModelCallError:
    """Why ``batch`` was not created: what every other batch would meet too ends the session."""
    if isinstance(error, StoppedError | RefusedKeyError | UnreachableError):
        error.fatal = error.fatal or not isinstance(error, StoppedError)
        return error
    calls = calls_in_words(len(batch.kept.calls))
    return BatchRefusedError(
        f"A batch of {calls} was refused, and none of them sent. {error}", fatal=True, brief=error.brief
    )


def _place(provider: BatchProvider) -> str:
    return f"{provider.name}:{provider.model}"


def _open_text(batches: list[OpenBatch]) -> str:
    if not batches:
        return ""
    calls = calls_in_words(sum(len(one.kept.calls) for one in batches))
    stay = "stays" if len(batches) == 1 else "stay"
    return f"{batches_in_words(len(batches))} of {calls} {stay} open"
