"""One call on its way to a reply: what is asked, and how its attempts went so far."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from harness.errors import ModelCallError
from harness.gateway.calls import CallSite, Provider, Reply, Request
from harness.gateway.journal.replay import JournaledReply
from harness.gateway.requests.sent_limits import SentLimits
from harness.gateway.trial_client import TrialClient

SendFunction = Callable[[Request], Awaitable[Reply]]
"""Sends a request as it is, and returns the reply."""

SOON_SECONDS = 0.01
"""The shortest pause before a retry; 0 would mean an unusable reply."""


@dataclass(slots=True, eq=False)
class PendingCall:
    """One call under way. ``send`` asks the provider, ``read`` makes sense of a reply; ``attempts`` counts failures.

    ``request`` is what is sent, ``asked`` the model by its name in the journal, ``answerer`` with its provider.
    ``send`` takes what sends the request in the provider's place, if anything does. ``was_batched``: a batch has
    answered it, or failed to.
    """

    client: TrialClient
    provider: Provider
    request: Request
    asked: str
    answerer: str
    body: str
    site: CallSite
    send: Callable[[Request, int, SendFunction | None], Awaitable[Reply]]
    read: Callable[[Reply], Reply]
    longest: float | None = None  # seconds of all its attempts together; None: any
    seconds: float = 0.0  # of all its attempts
    limits: SentLimits | None = None  # for a request that sets no limit
    attempts: int = 0
    was_batched: bool = False

    @property
    def limit(self) -> int | None:
        """The default output limit that it is sent with now."""
        return None if self.limits is None else self.limits.of(self.site.kind, self.request)

    @property
    def left(self) -> float | None:
        """Seconds that its attempts may still take; ``None``: any."""
        if self.longest is None:
            return None
        left = self.longest - self.seconds
        return left if left > SOON_SECONDS else 0.0


@dataclass(slots=True)
class AttemptResult:
    """The result of an attempt: the journal's reply if it had one, the reply, the error."""

    earlier: JournaledReply | None
    started: float
    began: float
    reply: Reply | None = None
    error: ModelCallError | None = None
