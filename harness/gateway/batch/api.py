"""What a provider's batch API does for the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from harness.gateway.calls import Provider, Reply, Request
from harness.gateway.providers.dialect import SentForm
from harness.gateway.providers.provider_errors import Fault

BATCH_SHARE = 0.5
"""Part of the list price that OpenAI and Anthropic charge for a call in a batch."""

BATCH_PROVIDERS = ("openai", "anthropic")
"""Those of the package's providers that have a batch API, as the specs of models name them."""

Answer = Mapping[str, Any] | Fault | str
"""What a batch has for one of its calls: the body of a reply, a fault, or in words why there is none."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One call of a batch: its name there, and its body as the API gets it."""

    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How far a batch is. ``answered`` counts its calls with a result.

    ``ending`` is how it ended, where that was not in completion; ``found`` is what the server said.
    """

    id: str
    is_over: bool
    answered: int = 0
    ending: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)


class BatchAPI(Protocol):
    """Creates batches and collects them. Every method raises `ModelCallError`.

    A batch has at most ``most_calls`` calls and ``most_bytes`` bytes. ``lists_keys``: a batch carries the key that it
    was created with, so that it can be found by it.
    """

    most_calls: int
    most_bytes: int
    lists_keys: bool

    async def create(self, key: str, items: Sequence[BatchItem]) -> str:
        """The id of a new batch."""

    async def candidates(self, key: str, since: float, calls: int) -> Sequence[str]:
        """Ids of batches that may have been created with ``key``, no earlier than ``since``, for so many calls."""

    async def status(self, batch_id: str) -> BatchStatus:
        """How far the batch is."""

    async def answers(self, status: BatchStatus) -> Mapping[str, Answer]:
        """The answers in a batch that is over, by the names of its calls; calls without a result may be missing."""


@runtime_checkable
class BatchProvider(Provider, Protocol):
    """A provider whose calls can be sent in batches: spelling and reading are apart from sending."""

    @property
    def batches(self) -> BatchAPI | None:
        """Its batch API; ``None`` where the server has none."""

    def spelling(self, request: Request) -> SentForm:
        """How ``request`` is sent now."""

    def body(self, request: Request, sent: SentForm) -> Mapping[str, Any]:
        """``request`` as the API gets it."""

    def read(self, answer: Mapping[str, Any] | Fault, request: Request, sent: SentForm) -> Reply:
        """The reply in ``answer``. Raises `ModelCallError` for a fault."""


def batch_api(provider: object) -> BatchAPI | None:
    """The batch API of ``provider``; ``None`` without one."""
    return provider.batches if isinstance(provider, BatchProvider) else None
