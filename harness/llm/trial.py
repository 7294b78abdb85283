"""What one trial holds of the gateway: its token, its account and its occurrences."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Protocol

from harness.errors import ModelCallError
from harness.llm.calls import Reply, Request, Site
from harness.model import Usage

SHOWN = 500
"""How many characters of a rejected reply are kept for the record."""


class Way(Protocol):
    """What a trial's client needs of the gateway."""

    base_url: str

    async def ask(self, client: TrialClient, request: Request, site: Site) -> Reply: ...

    async def embed(
        self, client: TrialClient, texts: Sequence[str], model: str
    ) -> Sequence[Sequence[float]]: ...


class TrialClient:
    """The gateway bound to one trial; implements `ModelClient`. Made by `Gateway.open_trial`.

    ``failure`` is the first request at the HTTP face that failed, for the engine to raise where the foreign
    code has swallowed it. ``rejections`` has every unacceptable reply: kind, person, step, attempt, reason
    and the text's first 500 characters.
    """

    def __init__(self, way: Way, trial_id: str, number: int) -> None:
        self.trial_id = trial_id
        self.token = f"t{number:x}.{secrets.token_urlsafe(24)}"
        self.failure: ModelCallError | None = None
        self.rejections: list[dict[str, Any]] = []
        self._way = way
        self._calls: Counter[str] = Counter()
        self._tokens_in = self._tokens_out = 0
        self._occurrences: Counter[str] = Counter()

    @property
    def base_url(self) -> str:
        """The HTTP face's address, ending in ``/v1``; empty until the gateway's face is started."""
        return self._way.base_url

    @property
    def first_replies(self) -> list[dict[str, Any]]:
        """The rejected replies that came first: what the sample would be without asking again."""
        return [rejection for rejection in self.rejections if rejection["attempt"] == 0]

    async def ask(self, request: Request, site: Site) -> Reply:
        """An acceptable reply. Raises `ModelCallError` when none came, or the run was stopped."""
        return await self._way.ask(self, request, site)

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        """One vector per text. Raises `ModelCallError`. Embeddings are counted as calls, without tokens."""
        return await self._way.embed(self, texts, model)

    def reject(self, reply: Reply, reason: str) -> None:
        """Put on record that a well-formed reply was of no use; an equal request is a new sample anyway."""
        self.note_rejection(Site(reply.call.partition(":")[0]), 0, reason, reply.text)

    def usage(self) -> Usage:
        """Calls by kind, rejected and failed attempts included, and tokens as the provider counted them."""
        return Usage(MappingProxyType(dict(self._calls)), self._tokens_in, self._tokens_out)

    def next_occurrence(self, digest: str) -> int:
        """How often this very request was made in the trial before; counts this one."""
        self._occurrences[digest] += 1
        return self._occurrences[digest] - 1

    def note_call(self, kind: str) -> None:
        self._calls[kind] += 1

    def note_tokens(self, tokens_in: int, tokens_out: int) -> None:
        self._tokens_in += tokens_in
        self._tokens_out += tokens_out

    def note_rejection(self, site: Site, attempt: int, reason: str, text: str) -> None:
        self.rejections.append(
            {
                "kind": site.kind,
                "person": site.person,
                "step": site.step,
                "attempt": attempt,
                "reason": reason,
                "text": text[:SHOWN],
            }
        )
