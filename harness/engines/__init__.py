"""Layer 2: what simulates personas."""

from __future__ import annotations

from typing import Protocol

from harness.gateway.calls import ModelClient
from harness.model import TrialPlan, TrialResult


class Engine(Protocol):
    """Runs one trial to its end. Registered by name: ``embedded`` (ours, asynchronous) or ``tinytroupe``."""

    @property
    def name(self) -> str:
        """The name that it is chosen by."""

    @property
    def needs_server(self) -> bool:
        """Whether trials reach the model through the gateway's HTTP server instead of ``client.complete``."""

    @property
    def trials_at_once(self) -> int | None:
        """How many trials it can play at a time; ``None`` for any number. The others wait their turn unopened."""

    async def run(self, plan: TrialPlan, client: ModelClient) -> TrialResult:
        """Play the trial. Every model call goes through ``client`` or its HTTP server.

        Raises `ModelCallError` when a call that the trial cannot go on without got no acceptable reply.
        """

    async def aclose(self) -> None:
        """End worker processes and give back what is held."""
