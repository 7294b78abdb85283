"""Ask a model for a policy. An unusable answer is requested again with its fault; a failed call gives no proposal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import ModelCallError, RefusedError, StoppedError, UnacceptableReplyError
from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.market import LIQUIDITY
from harness.experiments.payments.prompts import BankView, messages, response_format
from harness.gateway.calls import CallSite, ModelClient, Request

KIND = "propose"
"""The kind of these calls."""
SHOWN = 200
"""Characters of a fault in prompts and records."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy, or the reason without one. ``faults`` are those of earlier answers, oldest first.

    ``refused`` and ``malformed`` are the model's behaviour; a failed ``call`` is not.
    """

    policy: dict[str, int] | None = None
    faults: tuple[str, ...] = ()
    failure: str | None = None
    kind: Literal["refused", "malformed", "call"] | None = None


class Proposer:
    """Asks ``client`` for policies, with at most ``config.tries`` calls each."""

    def __init__(self, client: ModelClient, config: PaymentsConfig, temperature: float | None = None) -> None:
        self._client, self._config, self._temperature = client, config, temperature

    async def propose(self, view: BankView) -> Proposal:
        """A bank's proposal. Raises `ModelCallError` only if the run itself must end."""
        faults: list[str] = []
        for attempt in range(self._config.tries):
            try:
                found = await self._ask(view, attempt, faults[-1] if faults else None)
            except UnacceptableReplyError as error:
                faults.append(error.reason[:SHOWN])
            except RefusedError as error:
                return Proposal(faults=tuple(faults), failure=str(error)[:SHOWN], kind="refused")
            except ModelCallError as error:
                if error.fatal or isinstance(error, StoppedError):
                    raise
                return Proposal(faults=tuple(faults), failure=str(error)[:SHOWN], kind="call")
            else:
                if isinstance(found, dict):
                    return Proposal(found, tuple(faults))
                faults.append(found)
        failure = f"no policy in {len(faults)} answers; the last was {faults[-1]}"
        return Proposal(faults=tuple(faults), failure=failure, kind="malformed")

    async def _ask(self, view: BankView, attempt: int, error: str | None) -> dict[str, int] | str:
        """The policy in one answer, or its fault. The caller handles malformed answers, not the gateway."""
        request = Request(
            messages(view, self._config, error),
            response_format=response_format(self._config),
            temperature=self._temperature,
        )
        site = CallSite(KIND, view.bank, view.iteration, attempt)
        reply = await self._client.complete(request, site, max_replies=1)
        fault = fault_of(reply.data, self._config)
        if fault is None:
            return {LIQUIDITY: reply.data[LIQUIDITY]}
        self._client.reject(reply, fault)
        return fault


def fault_of(data: Any, config: PaymentsConfig) -> str | None:
    """The fault of a proposed policy, or ``None``. 0 is a valid amount."""
    expected = f"expected {{{LIQUIDITY!r}: a whole number from 0 to {config.most_liquidity}}}"
    if not isinstance(data, dict) or data.keys() != {LIQUIDITY}:
        return f"{data!r:.80}; {expected}"
    amount = data[LIQUIDITY]
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount <= config.most_liquidity:
        return f"{LIQUIDITY}={amount!r:.40}; {expected}"
    return None
