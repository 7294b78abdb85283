"""One attempt at a call: answered by the journal or the provider, billed, journaled and read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from harness.errors import (
    AdaptedError,
    ContextOverflowError,
    ModelCallError,
    OutputLimitError,
    RefusedError,
    UnacceptableReplyError,
    UnreachableError,
    UnsupportedParameterError,
)
from harness.gateway.batch.api import BATCH_SHARE
from harness.gateway.batch.sender import BatchPlace, BatchSender
from harness.gateway.call_observers import CallObservers, CallRecord
from harness.gateway.calls import Provider, Reply, Request
from harness.gateway.first_calls import FirstCalls
from harness.gateway.journal.journal import Journal
from harness.gateway.journal.replay import JournaledReply, SampleSlot
from harness.gateway.json_watch import JsonWatch
from harness.gateway.limits import Limits
from harness.gateway.pending_call import SOON_SECONDS, AttemptResult, PendingCall, SendFunction
from harness.gateway.replies.acceptance import UnacceptableError, expectation
from harness.gateway.replies.reply_types import well_typed
from harness.gateway.requests.call_kinds import role_of
from harness.gateway.requests.identity import hashed, written
from harness.gateway.requests.logprobs import refuse_without_logprobs
from harness.gateway.requests.response_formats import in_form
from harness.gateway.requests.sendable import mended
from harness.gateway.requests.sent_limits import is_about_limit, limited
from harness.gateway.sender import Sender, SendSlot
from harness.gateway.trial_client import TrialClient
from harness.user_code import described, guarded

_ALONE: contextlib.AbstractAsyncContextManager[None] = contextlib.nullcontext()
"""The place in a batch of a call in a session without batches."""

FillCost = Callable[[Reply, str], Reply]
"""Fills in the cost of a reply to the model asked for, or the reason why it is not known."""

GREETING = Request(({"role": "user", "content": "Answer with one word: yes."},), max_tokens=16)
GREETING_KIND = "model_check"
"""What a model is asked before the first trial, and the kind that such calls are counted under."""


@dataclass(slots=True)
class SessionTotals:
    """What a session's new replies were billed, and how many others the journal answered.

    ``cost`` is in US dollars; one reply of unknown cost makes the sum unknown.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = 0.0
    replayed: int = 0

    def add(self, reply: Reply) -> None:
        """Count a reply of the provider."""
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out
        self.cost = None if self.cost is None or reply.cost is None else self.cost + reply.cost


class Attempts:
    """Makes attempts at calls: journal → first call → budget, limits → provider → journal → observers.

    ``longest`` limits the seconds of each; ``limits_by_model`` has a model's own limits, by its provider's id.
    """

    def __init__(
        self,
        *,
        journal: Journal | None,
        sender: Sender,
        limits_by_model: Mapping[int, Limits],
        observers: CallObservers,
        price: FillCost,
        longest: float | None,
        json_watch: JsonWatch,
        notify: Callable[[str], None],
        wall: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self.totals = SessionTotals()
        self.first_calls = FirstCalls()
        self._batches: BatchSender | None = None
        self._journal, self._sender = journal, sender
        self._limits_by_model, self._observers = limits_by_model, observers
        self._price, self._longest = price, longest
        self._json_watch, self._notify = json_watch, notify
        self._wall, self._clock = wall, clock

    def use_batches(self, batches: BatchSender) -> None:
        """Send calls that can wait through ``batches`` from now on."""
        self._batches = batches

    async def make(self, call: PendingCall, question: SampleSlot) -> Reply:
        """One attempt, answered by the journal or the provider, and reported to the observers."""
        seen = AttemptResult(question.earlier, self._wall(), self._clock())
        try:
            return await self._reply(call, question, seen)
        except ModelCallError as error:
            seen.error = error
            raise
        finally:
            if self._observers:
                self._observers.on_call(self._record(call, seen))

    async def greet(self, provider: Provider) -> Reply | None:
        """Send one short call that belongs to no trial; ``None`` if a later one may fare better.

        Raises `ModelCallError` for what every call would meet: a refused key, an unknown model, no server.
        """
        limits, reply = self._limits_by_model.get(id(provider)), None
        asked = replace(GREETING, model=provider.model)
        try:
            async with self._sender.turn(asked, GREETING_KIND, limits) as turn:
                try:
                    async with asyncio.timeout(self._longest):
                        reply = await guarded(
                            provider.complete(asked, trial="", occurrence=0),
                            provider.complete,
                            "The provider",
                        )
                except (TimeoutError, UnsupportedParameterError):
                    return None  # it says nothing about key and model
                reply = turn.reply = self._price(well_typed(reply, asked, provider.name), provider.model)
                self.totals.add(reply)
                self.first_calls.note_answer(provider)
        except ModelCallError as error:
            if error.fatal or isinstance(error, UnreachableError):
                raise
        return reply

    async def _reply(self, call: PendingCall, question: SampleSlot, seen: AttemptResult) -> Reply:
        """Hand the next reply to a question over, if it is acceptable."""
        if seen.earlier is None:
            kept, seen.reply = await self._draw(call, question, seen)
        else:
            kept, seen.reply = self._serve(call, question, seen.earlier)
        if kept.verdict == "unacceptable":
            raise _unacceptable(call, kept)
        return self._given(call, question, kept, seen.reply)

    async def _draw(
        self, call: PendingCall, question: SampleSlot, seen: AttemptResult
    ) -> tuple[JournaledReply, Reply]:
        """A new reply from the provider. Its turn ends when it is on disk: no more is at risk than is in flight."""
        turn: SendSlot | None = None
        try:
            async with self._batches.place(call, question) if self._batches else _ALONE as place:
                limit = call.limit if place is None else place.limit
                asked = limited(call.request, limit)
                async with self._turn(call, asked, place) as turn:
                    way = None
                    if place is not None and self._batches is not None:
                        way = partial(self._batches.answer, place, turn)
                    reply = replace(await self._sent(call, asked, question.number, way), limit=limit)
                    turn.reply = seen.reply = self._billed(call, reply)
                    return await self._kept(call, question, seen, turn.reply)
        finally:
            if turn is not None and turn.sent:
                call.client.account.note_call(call.site.kind)

    @contextlib.asynccontextmanager
    async def _turn(
        self, call: PendingCall, asked: Request, place: BatchPlace | None
    ) -> AsyncIterator[SendSlot]:
        """Enter when the call may be sent: alone, or in a batch."""
        if place is not None:
            async with self._sender.batch_turn(asked, BATCH_SHARE, is_paid=place.is_paid) as turn:
                yield turn
        else:
            limits = self._limits_by_model.get(id(call.provider))
            async with (
                self.first_calls.turn(call.provider),
                self._sender.turn(asked, call.site.kind, limits) as turn,
            ):
                yield turn

    async def _kept(
        self, call: PendingCall, question: SampleSlot, seen: AttemptResult, reply: Reply
    ) -> tuple[JournaledReply, Reply]:
        """The new ``reply``, read and on disk."""
        client = call.client
        self.first_calls.note_answer(call.provider)
        client.samples.is_own_way = True
        spelled = ""
        if reply.form:
            spelled = written(in_form(call.request, reply.form))
            reply = replace(reply, sent_digest=hashed(spelled))
        read, fault = _read(call, reply)
        self._json_watch.note(call.provider, call.request, reply, fault)
        if call.limits is not None:
            self._learn_limit(call, call.limits.learn_cut(reply, fault))
        seconds = self._clock() - seen.began
        answerer = "" if call.answerer == client.account.player else call.answerer
        kept = question.drawn(client.attempt, reply, fault, call.asked, seen.started, seconds, answerer)
        if fault:
            client.note_rejection(kept, fault)
        if self._journal is not None:
            await self._journal.keep(client.run_id, client.trial_id, kept, call.body, spelled)
        return kept, read

    async def _sent(
        self, call: PendingCall, asked: Request, occurrence: int, instead: SendFunction | None
    ) -> Reply:
        """What the provider answers, or what sends the request ``instead``, which may take any time.

        A provider that neither answers nor fails in time is taken to be lost.
        """
        provider, began = call.provider, self._clock()
        longest = min((each for each in (self._longest, call.left) if each is not None), default=None)
        try:
            async with asyncio.timeout(longest if instead is None else None) as limit:
                work = call.send(asked, occurrence, instead)
                reply = await guarded(work, provider.complete, "The provider")
                reply = well_typed(reply, asked, provider.name)
                refuse_without_logprobs(asked, provider, reply)
                return reply
        except (UnsupportedParameterError, ContextOverflowError) as error:
            if call.limits is None or not is_about_limit(error):
                raise
            self._learn_limit(call, call.limits.learn_refusal(error, asked.max_tokens or 0))
            if isinstance(error, ContextOverflowError):
                call.limits = (
                    None  # prompt and limit together are too long for this model; the prompt may not be
                )
            call.was_batched = False
            raise AdaptedError(str(error), brief="the server refused the default output limit") from None
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise ModelCallError(
                f"The provider {provider.name} neither answered nor failed within {longest:g} s: "
                f"{described(provider.complete)}.",
                retry_after=SOON_SECONDS,
                lost=True,
            ) from error
        finally:
            if instead is None:
                call.seconds += self._clock() - began

    def _learn_limit(self, call: PendingCall, learned: str) -> None:
        if learned:
            self._notify(f"Model {call.provider.name}:{call.provider.model}: {learned}")

    def _billed(self, call: PendingCall, reply: Reply) -> Reply:
        """The reply with its cost, counted."""
        if reply.finish_reason == "content_filter":
            reply = replace(reply, refusal=True)
        priced = self._price(reply, call.request.model)
        if reply.batch and reply.cost is None and priced.cost is not None:
            priced = replace(priced, cost=priced.cost * BATCH_SHARE)
        reply = priced
        self.totals.add(reply)
        call.client.account.note_billed(reply, role_of(call.site), call.answerer)
        return reply

    def _serve(
        self, call: PendingCall, question: SampleSlot, kept: JournaledReply
    ) -> tuple[JournaledReply, Reply]:
        """The journal's reply, which is as it came, read again: what is acceptable may have become stricter since."""
        question.pass_by()
        if kept.verdict != "accepted":
            return kept, kept.reply
        read, fault = _read(call, kept.reply)
        if fault:
            call.client.note_rejection(kept, fault)
            self.reject(call.client, kept, fault)
            return replace(kept, verdict="unacceptable", reason=fault), kept.reply
        self.totals.replayed += 1
        call.client.replayed += 1
        return kept, read

    def reject(self, client: TrialClient, kept: JournaledReply, reason: str) -> None:
        """Note in the journal that a reply was rejected."""
        if self._journal is not None:
            self._journal.reject(client.run_id, client.trial_id, kept, reason)

    def _given(self, call: PendingCall, question: SampleSlot, kept: JournaledReply, reply: Reply) -> Reply:
        """The accepted reply. Raises `RefusedError` for a refusal of a request for data."""
        client = call.client
        client.note_form(call.site.kind, call.request, reply)
        client.refusals += reply.refusal
        if reply.refusal and call.request.response_format is not None:
            question.put_back(kept)  # the next equal question gets the same reply
            raise RefusedError(
                f"Call {call.site.kind!r} of {client.trial_id}: refused by the model: {reply.text[:200]!r}."
            )
        name = f"{call.site.kind}:{kept.digest}:{kept.number}"
        given = replace(reply, call=name, attempts=kept.draw + 1, seconds=kept.seconds)
        return client.deliver(kept, given)

    def _record(self, call: PendingCall, seen: AttemptResult) -> CallRecord:
        return CallRecord(
            trial=call.client.trial_id,
            run_id=call.client.run_id,
            site=call.site,
            request=call.request,
            reply=seen.reply,
            error=seen.error,
            started=seen.started,
            seconds=self._clock() - seen.began,
            attempt=call.attempts,
            replayed=seen.earlier is not None,
            provider=call.provider.name,
        )


def _read(call: PendingCall, reply: Reply) -> tuple[Reply, str]:
    """The parsed reply, or the original one with its fault."""
    try:
        return mended(call.read(reply)), ""
    except UnacceptableError as reason:
        return reply, str(reason)


def _unacceptable(call: PendingCall, kept: JournaledReply) -> ModelCallError:
    kind = OutputLimitError if kept.reply.finish_reason == "length" else UnacceptableReplyError
    return kind(
        f"Call {call.site.kind!r} of {call.client.trial_id}: no acceptable reply in {call.attempts + 1} attempts; "
        f"expected {expectation(call.request)}, the last reply was {kept.reason}: {kept.reply.text[:200]!r}.",
        reason=kept.reason,
        text=kept.reply.text,
    )
