"""The only way out to a model: one object, an async method for this process and an HTTP server for all else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from hmac import compare_digest
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.console import logger
from harness.errors import HarnessError, LostRepliesError, ModelCallError
from harness.gateway.account import Account
from harness.gateway.attempts import Attempts, FillCost
from harness.gateway.batch.sender import BatchSender
from harness.gateway.budget import FREE, Budget
from harness.gateway.call_observers import CallObserver, CallObservers
from harness.gateway.call_preparation import prepare_completion, prepare_embedding
from harness.gateway.calls import CallSite, Provider, Reply, Request
from harness.gateway.journal.journal import Journal
from harness.gateway.journal.replay import JournaledReply
from harness.gateway.json_watch import JsonWatch
from harness.gateway.limits import Limits
from harness.gateway.models import ModelMaker, ModelRoute, SessionModels, spec_of
from harness.gateway.requests.model_options import CallOptions
from harness.gateway.requests.sent_limits import SentLimits
from harness.gateway.retry import RetryPolicy
from harness.gateway.retry_loop import RetryLoop
from harness.gateway.sender import Sender
from harness.gateway.trial_client import TrialClient
from harness.gateway.waiting import SLOW_SECONDS, Waiting
from harness.user_code import guarded, shown

if TYPE_CHECKING:
    from harness.gateway.server.app import GatewayServer

log = logger()

CLOSING_SECONDS = 5.0
"""How long a provider may take to give back its connections."""


class Gateway:
    """Sends the calls of many trials to one provider: journal → budget → limits → provider → observers.

    Replies in the ``journal`` are served from there; every other reply is on disk before its trial sees it. An empty,
    truncated or invalid reply is sampled again; a failed call is retried after a pause, as often as ``retry`` allows.
    ``concurrency`` limits the calls in flight (``None``: no limit), ``longest`` the seconds of an attempt and
    ``longest_in_all`` those of all attempts at a call together. With a ``provider_seed`` each sample is requested with
    its own derived seed. The first call to a server goes alone (`FirstCalls`).
    ``roles`` has the models of roles other than the player's (`call_kinds.ROLES`), and ``maker`` makes those that arms
    and requests name; everything else is shared. ``limits`` hold for all, and each model's server for its own calls.
    With ``batch``, calls that can wait go through the batch APIs of their providers, at half the price.
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
        price: FillCost = lambda reply, _asked: reply,
        maker: ModelMaker | None = None,
        provider_seed: int | None = None,
        longest: float | None = None,
        longest_in_all: float | None = None,
        batch: bool = False,
        observers: Iterable[CallObserver] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self.default_options = {} if temperature is None else {"temperature": temperature}
        self.journal = journal
        self.observers = CallObservers(observers)
        self._limits = limits
        self._limits_by_model: dict[int, Limits] = {}  # by the provider's id
        self._sender = Sender(concurrency=concurrency, budget=budget, limits=limits, clock=clock)
        self._sent_limits: dict[int, SentLimits] = {}  # by the provider's id
        self._provider_seed, self._longest_in_all, self._clock = provider_seed, longest_in_all, clock
        self.notify: Callable[[str], None] = log.warning
        self.json_hint = ""  # for a server that ignores the response format, in the front end's words
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
        self._attempts = Attempts(
            journal=journal,
            sender=self._sender,
            limits_by_model=self._limits_by_model,
            observers=self.observers,
            price=price,
            longest=longest,
            json_watch=JsonWatch(lambda text: self.notify(text), lambda: self.json_hint),
            notify=lambda text: self.notify(text),
            wall=wall,
            clock=clock,
        )
        self._calls = RetryLoop(
            self._attempts,
            retry or RetryPolicy(),
            journal=journal,
            sender=self._sender,
            models=self.models,
            sleep=sleep,
            wall=wall,
            clock=clock,
        )

        self.inform: Callable[[str], None] = log.info
        self._batches = self._make_batches(batch, retry, sleep, wall, clock)

    def _make_batches(
        self,
        gathers: bool,
        retry: RetryPolicy | None,
        sleep: Callable[[float], Awaitable[None]],
        wall: Callable[[], float],
        clock: Callable[[], float],
    ) -> BatchSender:
        batches = BatchSender(
            journal=self.journal,
            sender=self._sender,
            retry=retry or RetryPolicy(),
            first_calls=self._attempts.first_calls,
            under_way=lambda: self._calls.under_way,
            notify=lambda text: self.notify(text),
            inform=lambda text: self.inform(text),
            sleep=sleep,
            wall=wall,
            clock=clock,
            gathers=gathers,
        )
        self._attempts.use_batches(batches)
        return batches

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

    @property
    def tokens_in(self) -> int:
        return self._attempts.totals.tokens_in

    @property
    def tokens_out(self) -> int:
        return self._attempts.totals.tokens_out

    @property
    def cost(self) -> float | None:
        """US dollars; ``None`` where the cost of a reply is not known."""
        return self._attempts.totals.cost

    @property
    def replayed(self) -> int:
        """Calls that the journal answered."""
        return self._attempts.totals.replayed

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
        call = prepare_completion(
            client,
            request,
            site,
            route,
            apart=self.models.is_apart(route.provider),
            provider_seed=self._provider_seed,
            limits_of=self._limits_of,
        )
        call.longest = self._longest_in_all
        return await self._calls.run(call, max_rejections, max_replies)

    def _limits_of(self, provider: Provider) -> SentLimits:
        return self._sent_limits.setdefault(id(provider), SentLimits(provider.model))

    async def check_roles(self) -> AsyncIterator[str]:
        """Ask the model of each role apart from the player's for a word, so that a wrong one is found before trials are
        paid for; yields a sentence about each that answers.

        Models without a server and those that cost nothing are left out. Raises `ModelCallError` for one that cannot be
        used.
        """
        asked: dict[tuple[str, str, str], None] = {}
        for role, provider in self.models.roles.items():
            place = (provider.name, provider.model, getattr(provider, "base_url", ""))
            if place in asked or provider.name in FREE or not hasattr(provider, "before_send"):
                continue
            asked[place] = None
            try:
                reply = await self._attempts.greet(provider)
            except ModelCallError as error:
                error.role = role
                error.args = (f"The model of the {role} cannot be used. {error}",)
                raise
            if reply is not None:
                cost = "cost unknown" if reply.cost is None else f"${reply.cost:.5f}"
                yield f"The model of the {role}, {spec_of(provider)}, answers; one short call, {cost}."

    async def embed(self, client: TrialClient, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        """What `TrialClient.embed` does."""
        call = prepare_embedding(client, texts, model, self.models.embedder(model))
        call.longest = self._longest_in_all
        vectors: Sequence[Sequence[float]] = (await self._calls.run(call)).data
        return vectors

    async def recall(self, client: TrialClient) -> None:
        """Let ``client`` know what the journal has of its trial. Raises `ModelCallError`."""
        await self._calls.recall(client)

    def reject(self, client: TrialClient, kept: JournaledReply, reason: str) -> None:
        """What `TrialClient.reject` does."""
        self._attempts.reject(client, kept, reason)

    def waiting(self) -> Waiting | None:
        """What the session is waiting for, and why; ``None`` if calls proceed. Thread-safe."""
        now = self._clock()
        held = self._limits.holding() if self._limits is not None else None
        if next_ := self._calls.next_wait:
            until = max(next_.until, held[1] if held else now)
            return Waiting(next_.reason, max(0.0, until - now), next_.attempt, next_.tries)
        if held is not None:
            return Waiting(held[0], max(0.0, held[1] - now))
        if batches := self._batches.waiting():
            return batches
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

    @property
    def open_batches(self) -> str:
        """What stays at providers if the session ends now, such as ``1 batch of 120 calls stays open``; may be empty.

        Thread-safe.
        """
        return self._batches.open_batches

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
        await self._batches.aclose()
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
