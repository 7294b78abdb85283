"""What one trial holds of the gateway: its token, its account and its samples."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

from harness.errors import ChangedRequestError, ModelCallError, StoppedError
from harness.gateway.account import Account
from harness.gateway.calls import CallSite, Provider, Reply, Request
from harness.gateway.conversation_log import ConversationLog
from harness.gateway.journal.replay import JournaledReply, TrialSamples
from harness.gateway.requests.call_kinds import role_of
from harness.gateway.requests.model_options import CallOptions
from harness.gateway.requests.response_formats import AS_DECLARED, asks_for_json
from harness.gateway.sdk_clients import SdkClients
from harness.model import Event, Usage, merge_options

SHOWN = 500
"""How many characters of a rejected reply are kept for the record."""


class Transport(Protocol):
    """What a trial's client needs of the gateway."""

    @property
    def base_url(self) -> str: ...

    async def complete(
        self,
        client: TrialClient,
        request: Request,
        site: CallSite,
        max_rejections: int | None = None,
        max_replies: int | None = None,
    ) -> Reply: ...

    async def embed(
        self, client: TrialClient, texts: Sequence[str], model: str
    ) -> Sequence[Sequence[float]]: ...

    def reject(self, client: TrialClient, kept: JournaledReply, reason: str) -> None: ...


class TrialClient(SdkClients):
    """The gateway bound to one try of a trial; implements `ModelClient`. Made by `Gateway.open_trial`.

    ``failure`` is the first request at the gateway's HTTP server that failed, or the first after which none can
    succeed, for the engine to raise where the foreign code has swallowed it; ``failed`` is how many did. ``rejections``
    has every unacceptable reply of this try: kind, person, step, attempt, reason and the text's first 500 characters.
    ``under_way`` counts the calls that have not ended yet, ``replayed`` those that the journal answered, ``refusals``
    those that the model declined to answer. ``provider`` is its arm's own model, if it has one. ``options`` are request
    fields that its calls get beside those that they name. ``replies`` counts the replies that were handed over, and
    what was done to read them.
    """

    def __init__(
        self,
        transport: Transport,
        trial_id: str,
        number: int,
        *,
        run_id: str = "",
        attempt: int = 1,
        known: bool = False,
        repeats: bool = False,
        options: CallOptions | None = None,
    ) -> None:
        self.trial_id, self.run_id, self.attempt = trial_id, run_id, attempt
        self.repeats = repeats
        self.options = options or CallOptions()
        self._forms: dict[str, Counter[str]] = {}
        self._unsent = {*merge_options(self.options.shared, self.options.arm)}
        self.name = f"t{number:x}"
        self.provider: Provider | None = None
        self.failure: ModelCallError | None = None
        self.rejections: list[dict[str, Any]] = []
        self.replayed = self.refusals = self.failed = self.under_way = 0
        self.samples = TrialSamples(attempt)
        self._read: Counter[str] = Counter()
        self._unwrapped: Counter[str] = Counter()
        self.account = Account()
        self.earlier = Account()
        self._transport = transport
        self._given: dict[str, JournaledReply] = {}
        self._log: ConversationLog | None = None
        self._reasons: dict[str, list[str]] = {}
        self._known, self._recalling = known, asyncio.Lock()

    @cached_property
    def token(self) -> str:
        """The trial's own credential at the gateway's HTTP server: its name, and a secret."""
        return f"{self.name}.{secrets.token_urlsafe(24)}"

    @property
    def base_url(self) -> str:
        """The HTTP server's address, ending in ``/v1``, for code that is not in this process."""
        return self._transport.base_url

    async def complete(
        self,
        request: Request,
        site: CallSite,
        *,
        max_rejections: int | None = None,
        max_replies: int | None = None,
    ) -> Reply:
        """An acceptable reply. Raises `ModelCallError` when none came, or the run was stopped.

        `RefusedError` when JSON was asked for and the model declined; in words, `Reply.refusal` says so.
        `RejectedError` when ``max_rejections`` replies to this question were rejected in this try (``None``: no limit),
        and `UnacceptableReplyError` when ``max_replies`` came of which none was acceptable (``None``: the policy's
        number).
        """
        call = self._log.begin(request, site) if self._log else None
        self.under_way += 1
        try:
            reply = await self._transport.complete(self, request, site, max_rejections, max_replies)
        finally:
            self.under_way -= 1
        if self._log and call:
            self._log.end(call, reply)
        return reply

    def start_transcript(self) -> None:
        """Keep the messages of every later call, also of those at the gateway's HTTP server, for `transcript`."""
        self._log = ConversationLog()

    async def transcript(self) -> tuple[Event, ...]:
        """The calls since `start_transcript` as events: messages, tool calls and results; none before that."""
        return self._log.transcript() if self._log else ()

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        """One vector per text. Raises `ModelCallError`. Their tokens are counted where the provider says how many."""
        return await self._transport.embed(self, texts, model)

    def reject(self, reply: Reply, reason: str) -> None:
        """Reject a well-formed reply: it is not served again, and an equal request is a new call."""
        kept = self._given.pop(reply.call, None)
        if kept is not None:
            self.note_rejection(kept, reason)
            self._reasons.setdefault(kept.site.kind, []).append(reason)
            if self._log:
                self._log.reject(reply.call)
            self.samples.reject(kept, reason)
            self._transport.reject(self, kept, reason)

    def reject_latest(self, kind: str, reason: str) -> bool:
        """`reject` the last reply of ``kind``; false if there is none, or if it was a refusal."""
        name = next((name for name, kept in reversed(self._given.items()) if kept.site.kind == kind), None)
        if name is None or self._given[name].reply.refusal:
            return False
        self.reject(replace(self._given[name].reply, call=name), reason)
        return True

    def reasons(self, kind: str) -> Sequence[str]:
        """Why the engine rejected replies of ``kind`` in this try; in all its sessions, once they are recalled."""
        return tuple(self._reasons.get(kind, ()))

    def note_failure(self, error: ModelCallError) -> None:
        """Note a failed request at the gateway's HTTP server."""
        self.failed += 1
        if self.failure is None or _is_final(error):
            self.note_final(error)

    def note_final(self, error: ModelCallError) -> None:
        """Note an error with which the trial must end; the first one counts."""
        if self.failure is None or not _is_final(self.failure):
            self.failure = error

    def note_options(self, options: Mapping[str, Any], unsent: set[str]) -> None:
        """A call was made for which ``options`` were declared, of which it carries all but ``unsent``."""
        self._unsent -= options.keys() - unsent

    def note_form(self, kind: str, request: Request, reply: Reply) -> None:
        """A reply in JSON is used, which was asked for in the form that it names."""
        if asks_for_json(request):
            self._forms.setdefault(kind, Counter())[reply.form or AS_DECLARED] += 1

    @property
    def unsent_options(self) -> Sequence[str]:
        """Declared options that no call of this try carried as declared, by name."""
        return sorted(self._unsent)

    def usage(self) -> Usage:
        """What this try was paid for: calls by kind, rejected and failed attempts included, and billed tokens.

        A session that was cut off in this very try counts too, so that all tries together are all that was paid.
        """
        return self.account.usage()

    def paid(self) -> Usage:
        """What all tries of the trial were paid for so far; of earlier ones, what was answered."""
        return (self.earlier + self.account).usage()

    async def recall(self, load: Callable[[], Awaitable[Iterable[JournaledReply]]]) -> None:
        """Load the trial's entries from the journal, before the first call proceeds."""
        if self._known:
            async with self._recalling:
                if self._known:
                    self._take_over(await load())
                    self._known = False

    def _take_over(self, past: Iterable[JournaledReply]) -> None:
        past = list(past)
        self.samples.remember(past)
        for kept in past:
            mine = kept.attempt == self.attempt
            account = self.account if mine else self.earlier
            account.note_reply(kept.site.kind, kept.reply, role_of(kept.site), kept.answerer)
            if mine and kept.verdict != "accepted":
                self.note_rejection(kept, kept.reason)
            if mine and kept.verdict == "rejected":
                self._reasons.setdefault(kept.site.kind, []).append(kept.reason)

    def deliver(self, kept: JournaledReply, reply: Reply) -> Reply:
        """Note that ``reply`` goes to the engine, which may yet reject it."""
        self._given[reply.call] = kept
        if kept.site.kind == "embedding":
            return reply
        self._read["used"] += 1
        self._read["with_thoughts"] += bool(reply.thoughts)
        self._read["unreadable_arguments"] += any(call.fault for call in reply.calls)
        self._read["mended"] += reply.mended
        if reply.unwrapped:
            self._unwrapped[reply.unwrapped] += 1
        return reply

    @property
    def replies(self) -> Mapping[str, Any]:
        """How many replies were ``used``, how many of them ``with_thoughts`` and with ``unreadable_arguments``.

        ``mended`` counts those with halves of characters, where there are any (`Reply.mended`).
        ``unwrapped`` counts those whose JSON was found in something else, by what that was (`Unwrapped`). ``forms``
        counts replies in JSON by kind of call, and by how they were asked for (`response_formats`).
        """
        counts = {name: self._read[name] for name in ("used", "with_thoughts", "unreadable_arguments")}
        counts |= {"mended": self._read["mended"]} if self._read["mended"] else {}
        forms = (
            {"forms": {kind: dict(one) for kind, one in sorted(self._forms.items())}} if self._forms else {}
        )
        return {**counts, "unwrapped": dict(self._unwrapped), **forms}

    def note_rejection(self, kept: JournaledReply, reason: str) -> None:
        site = kept.site
        self.rejections.append(
            {
                "kind": site.kind,
                "person": site.person,
                "step": site.step,
                "attempt": kept.draw,
                "reason": reason,
                "text": kept.reply.text[:SHOWN],
            }
        )


def _is_final(error: ModelCallError) -> bool:
    return error.fatal or isinstance(error, StoppedError | ChangedRequestError)
