"""The only way out to a model: one object, an async method for this process and an HTTP server for all else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hmac import compare_digest
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from harness.console import logger
from harness.errors import (
    AdaptedError,
    CallTimeoutError,
    ChangedRequestError,
    ContextOverflowError,
    HarnessError,
    LongWaitError,
    LostRepliesError,
    ModelCallError,
    OutputLimitError,
    RefusedError,
    RejectedError,
    StoppedError,
    UnacceptableReplyError,
    UnreachableError,
    UnsupportedParameterError,
)
from harness.gateway.account import Account
from harness.gateway.budget import Budget
from harness.gateway.call_observers import CallObserver, CallObservers, CallRecord
from harness.gateway.calls import CallSite, Provider, Reply, Request, Vectors
from harness.gateway.first_calls import FirstCalls
from harness.gateway.journal.divergence import SETTLE_SECONDS, replaced_by, request_difference
from harness.gateway.journal.journal import Journal
from harness.gateway.journal.replay import JournaledReply, SampleSlot
from harness.gateway.limits import Limits
from harness.gateway.models import ModelMaker, ModelRoute, SessionModels, spec_of
from harness.gateway.replies.acceptance import UnacceptableError, accept, expectation
from harness.gateway.replies.reply_types import well_typed
from harness.gateway.requests.call_kinds import role_of
from harness.gateway.requests.identity import hashed, written
from harness.gateway.requests.logprobs import refuse_without_logprobs
from harness.gateway.requests.model_options import CallOptions, unsent
from harness.gateway.requests.response_formats import asks_for_json, in_form
from harness.gateway.requests.seeds import seeded
from harness.gateway.requests.sendable import checked, mended, size_in_words
from harness.gateway.requests.sent_limits import SentLimits, is_about_limit, limited
from harness.gateway.retry import RetryPolicy, is_reply
from harness.gateway.sender import Sender, SendSlot
from harness.gateway.trial_client import TrialClient
from harness.gateway.waiting import SLOW_SECONDS, Wait, Waiting, duration, moment
from harness.model.output_limits import UNLIMITED
from harness.user_code import described, guarded, shown

if TYPE_CHECKING:
    from harness.gateway.server.app import GatewayServer

log = logger()

MOST_ADAPTATIONS = 8
"""Times that one call is sent again because its provider learned another spelling; each learns a thing only once."""

NO_JSON = 8
"""Replies without acceptable JSON, from the start, after which a session warns: those of two calls."""

_SPELLINGS = {"max_completion_tokens": "max_tokens", "output_config": "reasoning_effort"}
"""Names of options in requests, where they differ."""

CLOSING_SECONDS = 5.0
"""How long a provider may take to give back its connections."""

SOON_SECONDS = 0.01
"""The shortest pause before a retry; 0 would mean an unusable reply."""

Price = Callable[[Reply, str], Reply]
"""Fills in the cost of a reply to the model asked for, or the reason why it is not known."""


@dataclass(slots=True, eq=False)
class _Call:
    """One call under way. ``send`` asks the provider, ``read`` makes sense of a reply; ``attempts`` counts failures.

    ``request`` is what is sent, ``asked`` the model by its name in the journal, ``answerer`` with its provider.
    """

    client: TrialClient
    provider: Provider
    request: Request
    asked: str
    answerer: str
    body: str
    site: CallSite
    send: Callable[[Request, int], Awaitable[Reply]]
    read: Callable[[Reply], Reply]
    seconds: float = 0.0  # of all its attempts
    limits: SentLimits | None = None  # for a request without a limit of its own
    attempts: int = 0

    @property
    def limit(self) -> int | None:
        """The default output limit that it is sent with now."""
        return None if self.limits is None else self.limits.of(self.site.kind, self.request)


@dataclass(slots=True)
class _Attempt:
    """The result of an attempt: the journal's reply if it had one, the reply, the error."""

    earlier: JournaledReply | None
    started: float
    began: float
    reply: Reply | None = None
    error: ModelCallError | None = None


class Gateway:
    """Sends the calls of many trials to one provider: journal → budget → limits → provider → observers.

    Replies in the ``journal`` are served from there; every other reply is on disk before its trial sees it. An empty,
    truncated or invalid reply is sampled again; a failed call is retried after a pause, as often as ``retry`` allows.
    ``concurrency`` limits the calls in flight (``None``: no limit), ``longest`` the seconds of an attempt and
    ``longest_in_all`` those of all attempts at a call together. With a ``provider_seed`` each sample is requested with
    its own derived seed. The first call to a server goes alone (`FirstCalls`).
    ``roles`` has the models of roles other than the player's (`call_kinds.ROLES`), and ``maker`` makes those that arms
    and requests name; everything else is shared. ``limits`` hold for all, and each model's server for its own calls.
    Lives on one event loop; `halt` and the counters are thread-safe.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        roles: Mapping[str, Provider] = MappingProxyType({}),
        concurrency: int | None = 16,
        temperature: float | None = None,
        journal: Journal | None = None,
        budget: Budget | None = None,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        price: Price = lambda reply, _asked: reply,
        maker: ModelMaker | None = None,
        provider_seed: int | None = None,
        longest: float | None = None,
        longest_in_all: float | None = None,
        observers: Iterable[CallObserver] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self.default_options = {} if temperature is None else {"temperature": temperature}
        self.journal = journal
        self.observers = CallObservers(observers)
        self.tokens_in = self.tokens_out = self.replayed = 0
        self.cost: float | None = 0.0  # US dollars; one reply of unknown cost makes the sum unknown
        self._limits = limits
        self._limits_by_model: dict[int, Limits] = {}  # by the provider's id
        self._sender = Sender(concurrency=concurrency, budget=budget, limits=limits, clock=clock)
        self._waits: dict[_Call, Wait] = {}
        self._sent_limits: dict[int, SentLimits] = {}  # by the provider's id
        self._first_calls = FirstCalls()
        self._retry = retry or RetryPolicy()
        self._price, self._provider_seed = price, provider_seed
        self._longest, self._longest_in_all = longest, longest_in_all
        self._sleep, self._wall, self._clock = sleep, wall, clock
        self.notify: Callable[[str], None] = log.warning
        self.json_hint = ""  # for a server that ignores the response format, in the front end's words
        self._no_json = Counter[int]()  # replies to requests for JSON, by the provider's id
        self._json_seen: set[int] = set()  # ids of the providers that have written acceptable JSON
        self._trials: dict[str, TrialClient] = {}
        self._opened = 0
        self._tried: set[tuple[str, str]] = set()  # run and trial of this session's own tries
        self._server: GatewayServer | None = None
        self._base_url = ""
        self._serving = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.models = SessionModels(
            provider,
            roles,
            maker,
            self._attach,
            budget.require_price if budget else lambda _model, _provider: None,
        )

    def _attach(self, provider: Provider) -> None:
        if self._limits is not None:
            own = self._limits_by_model[id(provider)] = self._limits.of(provider.name).narrowed()
            if hasattr(provider, "on_headers"):
                provider.on_headers = own.observe
        if hasattr(provider, "notify"):
            provider.notify = lambda text: self.notify(text)
        if hasattr(provider, "before_send"):
            provider.before_send = self._sender.check_running

    @property
    def calls(self) -> int:
        """Attempts that were sent in this session."""
        return self._sender.calls

    @property
    def calls_by_kind(self) -> Counter[str]:
        return self._sender.calls_by_kind

    @property
    def in_flight(self) -> int:
        return self._sender.in_flight

    # Trials

    def open_run(self, run_id: str, *, begun: bool = False) -> None:
        """Open the run's journal, to report its faults early. Raises `HarnessError`.

        If the run was ``begun`` earlier and its journal is incomplete, raises `LostRepliesError`, unless the journal
        accepts the loss.
        """
        if self.journal is not None:
            try:
                self.journal.open(run_id, expected=begun)
            except LostRepliesError:
                if not self.journal.accept_loss:
                    raise
                self.journal.open(run_id, replace=True)

    def open_trial(
        self,
        trial_id: str,
        run_id: str = "",
        attempt: int = 1,
        options: CallOptions | None = None,
        model: str | None = None,
        repeats: bool = False,
    ) -> TrialClient:
        """A client for one try of a trial, with a fresh token and account.

        ``attempt`` counts the ended tries of the trial, and this one; an interrupted try resumes under its number.
        A journal needs ``run_id``. ``options`` are the request fields of its calls (default: the gateway's
        temperature). ``model`` is the spec of its arm's own model, if it has one. A trial that ``repeats``
        itself sends nothing where a request differs from that of an earlier session.
        """
        self._opened += 1
        with contextlib.suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()
        known = self.journal is not None and self.journal.begin(run_id, trial_id)
        repeats = repeats and (run_id, trial_id) not in self._tried
        self._tried.add((run_id, trial_id))
        if options is None:
            options = CallOptions(self.default_options, judge=self.default_options)
        client = TrialClient(
            self,
            trial_id,
            self._opened,
            run_id=run_id,
            attempt=attempt,
            known=known,
            repeats=repeats,
            options=options,
        )
        client.provider = self.models.named(model) if model else None
        player = spec_of(client.provider or self.provider)
        client.account, client.earlier = (Account(player) for _ in range(2))
        self._trials[client.name] = client
        return client

    def close_trial(self, client: TrialClient) -> None:
        """Revoke the trial's token at the gateway's HTTP server."""
        self._trials.pop(client.name, None)

    def trial_of(self, token: str) -> TrialClient | None:
        """The open trial with this token: found by its public part, then compared in constant time."""
        client = self._trials.get(token.partition(".")[0])
        return client if client and compare_digest(client.token.encode(), token.encode()) else None

    # Calls

    def route(self, request: Request, site: CallSite, client: TrialClient) -> ModelRoute:
        """Who answers ``request``. Raises `ModelCallError` when it names a model that cannot be asked."""
        named = "" if "model" in client.options.replaced else request.model
        return self.models.route(named, site, client.provider)

    async def complete(
        self,
        client: TrialClient,
        request: Request,
        site: CallSite,
        max_rejections: int | None = None,
        max_replies: int | None = None,
    ) -> Reply:
        """What `TrialClient.complete` does."""
        route = self.route(request, site, client)
        provider = route.provider
        declared = client.options.of(site.kind, apart=self.models.is_apart(provider), role=role_of(site))
        options = {name: value for name, value in declared.items() if value != UNLIMITED}
        request, body = checked(
            client.options.fill(request, options), route.label, site=site, trial=client.trial_id
        )
        request = replace(request, model=route.model)
        client.note_options(declared, unsent(request, options))

        names = options.keys() | ({"seed"} if self._provider_seed is not None else set())

        async def send(asked: Request, occurrence: int) -> Reply:
            asked = seeded(asked, self._provider_seed, client.trial_id, occurrence)
            _refuse_without_counterpart(provider, options)
            refuse_without_logprobs(request, provider)
            try:
                return await provider.complete(asked, trial=client.trial_id, occurrence=occurrence)
            except UnsupportedParameterError as error:
                # What is declared reaches the model, or the session ends: no later call can have it either.
                error.fatal = error.fatal or _SPELLINGS.get(error.parameter, error.parameter) in names
                raise

        call = _Call(
            client,
            provider,
            request,
            route.label,
            route.spec,
            body,
            site,
            send,
            lambda reply: accept(reply, request),
        )
        if request.max_tokens is None and declared.get("max_tokens") != UNLIMITED:
            call.limits = self._limits_of(provider)
        return await self._ask(call, max_rejections, max_replies)

    def _limits_of(self, provider: Provider) -> SentLimits:
        return self._sent_limits.setdefault(id(provider), SentLimits(provider.model))

    async def embed(self, client: TrialClient, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        """What `TrialClient.embed` does."""
        site = CallSite("embedding")
        route = self.models.embedder(model)
        request = Request((), model, extra={"input": list(texts)})
        request, body = checked(request, "", site=site, trial=client.trial_id)
        request = replace(request, model=route.model)

        async def send(_asked: Request, _occurrence: int) -> Reply:
            vectors = await route.provider.embed(texts, route.model)
            said = vectors if isinstance(vectors, Vectors) else Vectors(())
            text = json.dumps([list(vector) for vector in vectors])
            return Reply(text, model=said.model or route.model, tokens_in=said.tokens_in)

        def read(reply: Reply) -> Reply:
            return replace(reply, data=json.loads(reply.text))

        call = _Call(client, route.provider, request, route.label, route.spec, body, site, send, read)
        vectors: Sequence[Sequence[float]] = (await self._ask(call)).data
        return vectors

    def reject(self, client: TrialClient, kept: JournaledReply, reason: str) -> None:
        """What `TrialClient.reject` does."""
        if self.journal is not None:
            self.journal.reject(client.run_id, client.trial_id, kept, reason)

    async def _ask(
        self, call: _Call, max_rejections: int | None = None, max_replies: int | None = None
    ) -> Reply:
        """Try until there is an acceptable reply or no attempt is left; equal questions are told apart on arrival."""
        question = call.client.samples.reserve(call.site, call.request.digest)
        question.max_rejections = max_rejections
        failures: Counter[bool] = Counter()
        adaptations = 0
        try:
            await self.recall(call.client)
            if call.client.repeats:
                await self._refuse_change(call, question)
            if question.spent:
                raise RejectedError(question.reason)
            while True:
                try:
                    return await self._attempt(call, question)
                except AdaptedError:
                    call.attempts += 1
                    adaptations += 1
                    if adaptations > MOST_ADAPTATIONS:
                        raise
                    continue
                except ModelCallError as error:
                    failed = failures[is_reply(error)]
                    seconds = self._retry.pause(
                        error, failed, answered=self._first_calls.answered(call.provider)
                    )
                    if seconds is None:
                        raise self._last(call, error) from None
                    if is_reply(error) and failures[True] + 1 == max_replies:
                        raise
                    if self._left(call) == 0:
                        raise self._overdue(call, error) from None
                    failures[is_reply(error)] += 1
                    call.attempts += 1
                    reason = error.brief
                    tries = self._retry.tries(error, answered=self._first_calls.answered(call.provider))
                if seconds > 0:
                    self._waits[call] = Wait(reason, self._clock() + seconds, failed + 2, tries)
                    try:
                        await self._sender.pause(seconds, self._sleep)
                    finally:
                        del self._waits[call]
        except BaseException as error:
            call.client.samples.is_own_way = True
            if isinstance(error, ModelCallError) and (error.fatal or isinstance(error, StoppedError)):
                call.client.note_final(
                    error
                )  # no later call can succeed, even if the caller handles this one
            question.open = True  # who asks the same again asks this question
            raise

    def _left(self, call: _Call) -> float | None:
        """Seconds that attempts at ``call`` may still take; ``None``: any."""
        if self._longest_in_all is None:
            return None
        left = self._longest_in_all - call.seconds
        return left if left > SOON_SECONDS else 0.0

    def _overdue(self, call: _Call, error: ModelCallError) -> ModelCallError:
        """The final error of a call whose attempts have taken as long as a call may take."""
        return CallTimeoutError(
            f"{str(error).rstrip('. ')}. The {call.attempts + 1} attempts at this call took "
            f"{duration(call.seconds)}; a call may take {duration(self._longest_in_all or 0)} in all.",
            brief=error.brief,
        )

    async def _refuse_change(self, call: _Call, question: SampleSlot) -> None:
        """Raise `ChangedRequestError` where a resumed trial asks something else than the journal has."""
        client = call.client
        if isinstance(client.failure, ChangedRequestError):
            raise client.failure
        if self.journal is None or replaced_by(question, client.samples) is None:
            return
        await self._sleep(SETTLE_SECONDS)
        then = replaced_by(question, client.samples)
        if then is None or client.under_way > 1:
            return
        before = await self.journal.request(client.run_id, then.digest)
        number = client.samples.asked_at(call.site).index(question) + 1
        error = ChangedRequestError(
            f"Call {number} of kind {call.site.kind!r} differs from the one in the journal, so it was not sent:\n"
            f"{request_difference(before, call.body) if before else '    (the journaled request cannot be read)'}\n"
            "    Something that the trial reads has changed since: a file, a package, the time. The session ends, so "
            "that the run holds one version. Restore what has changed and rerun, or start a new run. If a play's "
            "requests vary by design, declare Play(…, deterministic=False): calls that differ are then sent, and paid, "
            "again.",
            fatal=True,
        )
        client.note_final(error)
        raise error

    def _last(self, call: _Call, error: ModelCallError) -> ModelCallError:
        """The final error of a call that is not retried after ``error``; ends the session if waiting cannot help."""
        asked, said = error.retry_after or 0.0, f"{str(error).rstrip('. ')}."
        if asked > self._retry.longest_wait and not error.fatal:
            error = LongWaitError(
                f"{said} The server asks to wait {duration(asked)}, until {moment(self._wall() + asked)}; a session "
                f"waits at most {duration(self._retry.longest_wait)}. Every reply so far is kept: "
                "rerun the same command then to resume."
            )
        elif (
            error.first_tries is not None
            and not self._first_calls.answered(call.provider)
            and not error.fatal
        ):
            number = f"{call.attempts + 1} tries" if call.attempts else "the first try"
            several = self.models.several
            whose = (
                "to this model was answered, so the session"
                if several
                else "of this session was answered, so it"
            )
            kind = UnreachableError if isinstance(error, UnreachableError) else ModelCallError
            error = kind(
                f"{said} No call {whose} ends after {number} instead of waiting.",
                fatal=True,
                brief=error.brief,
            )
        elif isinstance(error, ContextOverflowError):
            who = f" ({call.site.person})" if call.site.person else ""
            where = f"Call {call.site.kind!r} of {call.client.trial_id}{who}"
            return ContextOverflowError(f"{where}: {said} {size_in_words(call.request)}", brief=error.brief)
        else:
            return error
        self._sender.end(error)
        return error

    def waiting(self) -> Waiting | None:
        """What the session is waiting for, and why; ``None`` if calls proceed. Thread-safe."""
        now = self._clock()
        held = self._limits.holding() if self._limits is not None else None
        waits = sorted(self._waits.values(), key=lambda wait: wait.until)
        if waits:
            next_, until = waits[0], max(waits[0].until, held[1] if held else now)
            return Waiting(next_.reason, max(0.0, until - now), next_.attempt, next_.tries)
        if held is not None:
            return Waiting(held[0], max(0.0, held[1] - now))
        loading = next((text for one in self.models if (text := getattr(one, "loading", ""))), "")
        longest = self._sender.longest
        if loading and self._sender.in_flight:
            return Waiting(loading, elapsed=longest)
        if longest < SLOW_SECONDS:
            return None
        return Waiting("a reply", elapsed=longest, calls=self._sender.open_for(SLOW_SECONDS))

    @property
    def slowest(self) -> float:
        """Seconds that the oldest open call has waited for its reply; 0 without one. Thread-safe."""
        return self._sender.longest

    async def recall(self, client: TrialClient) -> None:
        """Let ``client`` know what the journal has of its trial. Raises `ModelCallError`."""
        journal = self.journal
        if journal is not None:
            try:
                await client.recall(lambda: journal.recall(client.run_id, client.trial_id))
            except HarnessError as error:
                raise ModelCallError(str(error), fatal=True) from error

    async def _attempt(self, call: _Call, question: SampleSlot) -> Reply:
        """One attempt, answered by the journal or the provider, and reported to the observers."""
        seen = _Attempt(question.earlier, self._wall(), self._clock())
        try:
            return await self._reply(call, question, seen)
        except ModelCallError as error:
            seen.error = error
            raise
        finally:
            if self.observers:
                self.observers.on_call(self._record(call, seen))

    async def _reply(self, call: _Call, question: SampleSlot, seen: _Attempt) -> Reply:
        """Hand the next reply to a question over, if it is acceptable."""
        if seen.earlier is None:
            kept, seen.reply = await self._draw(call, question, seen)
        else:
            kept, seen.reply = self._serve(call, question, seen.earlier)
        if kept.verdict == "unacceptable":
            raise _unacceptable(call, kept)
        return self._given(call, question, kept, seen.reply)

    async def _draw(self, call: _Call, question: SampleSlot, seen: _Attempt) -> tuple[JournaledReply, Reply]:
        """A new reply from the provider. Its turn ends when it is on disk: no more is at risk than is in flight."""
        client, kind = call.client, call.site.kind
        turn: SendSlot | None = None
        try:
            asked = limited(call.request, limit := call.limit)
            async with (
                self._first_calls.turn(call.provider),
                self._sender.turn(asked, kind, self._limits_by_model.get(id(call.provider))) as turn,
            ):
                reply = replace(await self._sent(call, asked, question.number), limit=limit)
                reply = turn.reply = seen.reply = self._billed(call, reply)
                self._first_calls.note_answer(call.provider)
                client.samples.is_own_way = True
                spelled = ""
                if reply.form:
                    spelled = written(in_form(call.request, reply.form))
                    reply = replace(reply, sent_digest=hashed(spelled))
                read, fault = _read(call, reply)
                self._watch_json(call, reply, fault)
                if call.limits is not None:
                    self._learn_limit(call, call.limits.learn_cut(reply, fault))
                seconds = self._clock() - seen.began
                answerer = "" if call.answerer == client.account.player else call.answerer
                kept = question.drawn(
                    client.attempt, reply, fault, call.asked, seen.started, seconds, answerer
                )
                if fault:
                    client.note_rejection(kept, fault)
                if self.journal is not None:
                    await self.journal.keep(client.run_id, client.trial_id, kept, call.body, spelled)
        finally:
            if turn is not None and turn.sent:
                client.account.note_call(kind)
        return kept, read

    async def _sent(self, call: _Call, asked: Request, occurrence: int) -> Reply:
        """What the provider answers. One that neither answers nor fails in time is taken to be lost."""
        provider, began = call.provider, self._clock()
        longest = min((each for each in (self._longest, self._left(call)) if each is not None), default=None)
        try:
            async with asyncio.timeout(longest) as limit:
                reply = await guarded(call.send(asked, occurrence), provider.complete, "The provider")
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
            call.seconds += self._clock() - began

    def _learn_limit(self, call: _Call, learned: str) -> None:
        if learned:
            self.notify(f"Model {call.provider.name}:{call.provider.model}: {learned}")

    def _watch_json(self, call: _Call, reply: Reply, fault: str) -> None:
        """Warn once if a model has not written acceptable JSON yet: its server may ignore the response format."""
        provider = call.provider
        if reply.refusal or not asks_for_json(call.request) or id(provider) in self._json_seen:
            return
        self._no_json[id(provider)] += 1
        if not fault:
            self._json_seen.add(id(provider))
        elif self._no_json[id(provider)] == NO_JSON:
            self.notify(
                f"Model {provider.name}:{provider.model}: none of its first {NO_JSON} replies to requests for JSON is "
                f"acceptable; the last was {fault}. The server may ignore the response format"
                f"{f': {self.json_hint}' if self.json_hint else ''}."
            )

    def _billed(self, call: _Call, reply: Reply) -> Reply:
        """The reply with its cost, counted."""
        if reply.finish_reason == "content_filter":
            reply = replace(reply, refusal=True)
        reply = self._price(reply, call.request.model)
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out
        self.cost = None if self.cost is None or reply.cost is None else self.cost + reply.cost
        call.client.account.note_billed(reply, role_of(call.site), call.answerer)
        return reply

    def _serve(self, call: _Call, question: SampleSlot, kept: JournaledReply) -> tuple[JournaledReply, Reply]:
        """The journal's reply, which is as it came, read again: what is acceptable may have become stricter since."""
        question.pass_by()
        if kept.verdict != "accepted":
            return kept, kept.reply
        read, fault = _read(call, kept.reply)
        if fault:
            call.client.note_rejection(kept, fault)
            self.reject(call.client, kept, fault)
            return replace(kept, verdict="unacceptable", reason=fault), kept.reply
        self.replayed += 1
        call.client.replayed += 1
        return kept, read

    def _given(self, call: _Call, question: SampleSlot, kept: JournaledReply, reply: Reply) -> Reply:
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

    def _record(self, call: _Call, seen: _Attempt) -> CallRecord:
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

    # Stopping

    def halt(self) -> None:
        """Send nothing more: queued and later calls raise `ModelCallError`, those in flight continue."""
        self._sender.halt()

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Wait up to ``timeout`` seconds for the calls in flight; whether all came back."""
        came = await self._sender.drain(timeout)
        if self.journal is not None:
            await self.journal.flush()
        return came

    # The gateway's HTTP server

    @property
    def base_url(self) -> str:
        """The HTTP server's address, ending in ``/v1``. It listens from the first time that the address is wanted."""
        return self._served("127.0.0.1")

    async def start_server(self, host: str = "127.0.0.1") -> str:
        """Serve the API on a free port of ``host``, if it is not served yet; its address, ending in ``/v1``."""
        return self._served(host)

    def _served(self, host: str) -> str:
        from harness.gateway.server.app import GatewayServer

        with self._serving:
            if self._server is None:
                self._server = GatewayServer(self)
                self._base_url = self._server.listen(host, self._loop or asyncio.get_running_loop())
        return self._base_url

    async def aclose(self) -> None:
        """Stop the server, write what is left and give back the provider's connections."""
        if self._server is not None:
            await self._server.stop()
            self._server = None
        for provider in self.models:
            await _closed(provider)
        if self.journal is not None:
            try:
                await self.journal.aclose()
            except (
                HarnessError
            ) as error:  # the run was stopped for this; the rest of it must be closed all the same
                log.error("Replies that were paid for are lost. %s", error)


async def _closed(provider: Provider) -> None:
    """Close a provider, ignoring its errors: paid replies still have to be written."""
    try:
        async with asyncio.timeout(CLOSING_SECONDS):
            await guarded(provider.aclose(), provider.aclose, "The provider")
    except Exception as error:
        log.warning("The provider %s could not be closed: %s.", provider.name, shown(error))


def _read(call: _Call, reply: Reply) -> tuple[Reply, str]:
    """The parsed reply, or the original one with its fault."""
    try:
        return mended(call.read(reply)), ""
    except UnacceptableError as reason:
        return reply, str(reason)


def _refuse_without_counterpart(provider: Provider, options: Mapping[str, Any]) -> None:
    """Raise `UnsupportedParameterError` where the provider's protocol lacks a declared field."""
    missing = sorted(getattr(provider, "no_counterpart", frozenset()) & options.keys())
    if missing:
        raise UnsupportedParameterError(
            f"Model {provider.name}:{provider.model}: its API has no {', '.join(missing)}, declared as a model option; "
            "leave it out, or choose another model.",
            missing[0],
            fatal=True,
        )


def _unacceptable(call: _Call, kept: JournaledReply) -> ModelCallError:
    kind = OutputLimitError if kept.reply.finish_reason == "length" else UnacceptableReplyError
    return kind(
        f"Call {call.site.kind!r} of {call.client.trial_id}: no acceptable reply in {call.attempts + 1} attempts; "
        f"expected {expectation(call.request)}, the last reply was {kept.reason}: {kept.reply.text[:200]!r}.",
        reason=kept.reason,
    )
