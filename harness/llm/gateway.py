"""The only way out to a model: one object, an async method for this process and an HTTP face for all else."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import ConfigurationError, ModelCallError
from harness.llm.acceptance import UnacceptableError, accept, expectation
from harness.llm.calls import Provider, Reply, Request, Site
from harness.llm.identity import identified
from harness.llm.trial import TrialClient

if TYPE_CHECKING:
    from harness.llm.face import Face

T = TypeVar("T")


class Gateway:
    """Sends the calls of many trials to one provider, at most ``concurrency`` at a time (``None``: no limit).

    A reply that is empty, cut, or invalid for its format is asked for again as a new occurrence; a call that
    failed on its way is sent again after a pause. Both together take at most ``max_attempts``. Lives on one
    event loop; `halt` and the counters may be used from any thread.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        concurrency: int | None = 16,
        temperature: float | None = None,
        max_attempts: int = 4,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if concurrency is not None and concurrency < 1:
            raise ConfigurationError(f"concurrency={concurrency}; expected 1 or more, or None for no limit.")
        if max_attempts < 1:
            raise ConfigurationError(f"max_attempts={max_attempts}; expected 1 or more.")
        self.provider = provider
        self.temperature = temperature
        self.max_attempts = max_attempts
        self.base_url = ""
        self.calls = self.tokens_in = self.tokens_out = self.in_flight = 0
        self.calls_by_kind: Counter[str] = Counter()
        self._sleep = sleep
        self._slots = asyncio.Semaphore(sys.maxsize if concurrency is None else concurrency)
        self._stopped = False
        self._stop = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._trials: dict[str, TrialClient] = {}
        self._opened = 0
        self._face: Face | None = None

    # Trials

    def open_trial(self, trial_id: str) -> TrialClient:
        """A client of its own for one trial, with a fresh token and account."""
        self._opened += 1
        client = TrialClient(self, trial_id, self._opened)
        self._trials[_public(client.token)] = client
        return client

    def close_trial(self, client: TrialClient) -> None:
        """Revoke the trial's token at the HTTP face."""
        self._trials.pop(_public(client.token), None)

    def trial_of(self, token: str) -> TrialClient | None:
        """The open trial with this token: found by its public part, then compared in constant time."""
        client = self._trials.get(_public(token))
        return client if client and compare_digest(client.token.encode(), token.encode()) else None

    # Calls

    async def ask(self, client: TrialClient, request: Request, site: Site) -> Reply:
        """What `TrialClient.ask` does."""
        request = identified(request, model=self.provider.model, temperature=self.temperature)
        attempt = 0
        while True:
            occurrence = client.next_occurrence(request.digest)
            try:
                reply = await self._complete(client, request, site, occurrence)
                return replace(
                    reply,
                    data=self._accept(client, request, site, attempt, reply),
                    call=f"{site.kind}:{request.digest}:{occurrence}",
                )
            except ModelCallError as error:
                await self._pause_or_raise(error, attempt)
            attempt += 1

    async def embed(self, client: TrialClient, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        """What `TrialClient.embed` does."""
        attempt = 0
        while True:
            try:
                return await self._send(client, "embedding", lambda: self.provider.embed(texts, model))
            except ModelCallError as error:
                await self._pause_or_raise(error, attempt)
            attempt += 1

    async def _complete(self, client: TrialClient, request: Request, site: Site, occurrence: int) -> Reply:
        def send() -> Awaitable[Reply]:
            return self.provider.complete(request, trial=client.trial_id, occurrence=occurrence)

        reply = await self._send(client, site.kind, send)
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out
        client.note_tokens(reply.tokens_in, reply.tokens_out)
        return reply

    def _accept(self, client: TrialClient, request: Request, site: Site, attempt: int, reply: Reply) -> Any:
        try:
            return accept(reply, request)
        except UnacceptableError as reason:
            client.note_rejection(site, attempt, str(reason), reply.text)
            raise ModelCallError(
                f"Call {site.kind!r} of {client.trial_id}: no acceptable reply in {attempt + 1} attempts; "
                f"expected {expectation(request)}, the last reply was {reason}: {reply.text[:200]!r}.",
                retry_after=0.0,
            ) from None

    async def _send(self, client: TrialClient, kind: str, send: Callable[[], Awaitable[T]]) -> T:
        """Every call to the provider passes here, one slot each, retries included."""
        self._check_running()
        self._loop = asyncio.get_running_loop()
        async with self._slots:
            self._check_running()  # it may have been stopped while this call was queued
            self._begin(client, kind)
            try:
                return await send()
            finally:
                self._end()

    def _begin(self, client: TrialClient, kind: str) -> None:
        self.calls += 1
        self.calls_by_kind[kind] += 1
        client.note_call(kind)
        self.in_flight += 1
        self._idle.clear()

    def _end(self) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()

    async def _pause_or_raise(self, error: ModelCallError, attempt: int) -> None:
        """Wait as long as the error says, at least 1, 4, 16 s …; raise it when trying is over."""
        if error.retry_after is None or attempt + 1 >= self.max_attempts:
            raise error
        if error.retry_after > 0:
            await self._pause(max(error.retry_after, 4.0**attempt))

    async def _pause(self, seconds: float) -> None:
        naps = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._stop.wait())]
        try:
            await asyncio.wait(naps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for nap in naps:
                nap.cancel()

    # Stopping

    def halt(self) -> None:
        """Send nothing more: calls queued and later raise `ModelCallError`, those in flight go on."""
        if self._stopped:
            return
        self._stopped = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._stop.set()
        self._slots.release()  # the first queued call sees that it is over, leaves, and so wakes the next

    def _check_running(self) -> None:
        if self._stopped:
            raise ModelCallError("the run was stopped: this call was not sent.")

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Wait up to ``timeout`` seconds for the calls in flight; whether all came back."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            return False
        return True

    # The HTTP face

    async def start_face(self, host: str = "127.0.0.1") -> str:
        """Serve the OpenAI-compatible face on a free port of ``host``; its address, ending in ``/v1``."""
        from harness.llm.face import Face

        if self._face is None:
            self._face = Face(self)
            self.base_url = await self._face.start(host)
        return self.base_url

    async def aclose(self) -> None:
        """Stop the face and give back the provider's connections."""
        if self._face is not None:
            await self._face.stop()
            self._face, self.base_url = None, ""
        await self.provider.aclose()


def _public(token: str) -> str:
    return token.partition(".")[0]
