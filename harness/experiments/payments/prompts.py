"""The prompt of a bank. It uses only the bank's `BankView`, which has no data of other banks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.market import LIQUIDITY
from harness.experiments.payments.settlement import BASIS, Cost
from harness.gateway.calls import Message


@dataclass(frozen=True, slots=True)
class PastProposal:
    """An earlier proposal of the bank, with its result; ``delta`` in cents."""

    iteration: int
    opening_liquidity: int
    accepted: bool
    delta: int


@dataclass(frozen=True, slots=True)
class BankView:
    """What one bank sees at its turn. ``earlier`` is ``None`` if its proposals are not mentioned."""

    bank: str
    iteration: int
    policy: Mapping[str, Any]
    cost: Cost
    pays: int
    is_paid: int
    earlier: Sequence[PastProposal] | None = None


def response_format(config: PaymentsConfig) -> dict[str, Any]:
    """The JSON schema of a policy."""
    amount = {"type": "integer", "minimum": 0, "maximum": config.most_liquidity}
    schema = {
        "type": "object",
        "properties": {LIQUIDITY: amount},
        "required": [LIQUIDITY],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "policy", "strict": True, "schema": schema}}


def messages(view: BankView, config: PaymentsConfig, error: str | None = None) -> list[Message]:
    """The prompt; ``error`` is the fault of the last answer."""
    turn = "\n".join(_turn(view, config, error))
    return [{"role": "system", "content": _rules(view.bank, config)}, {"role": "user", "content": turn}]


def _rules(bank: str, config: PaymentsConfig) -> str:
    return (
        f"You manage the liquidity of {bank} in a real-time payment system that settles each payment in full.\n"
        f"A day has {config.ticks} ticks. A payment that your balance does not cover waits in your queue, first in, "
        "first out; incoming money can be used at once.\n"
        f"Opening liquidity costs {_percent(config.liquidity_bps)} of its amount per day. A queued payment costs "
        f"{_percent(config.delay_bps)} of its amount per tick, and another {_percent(config.unsettled_bps)} if it is "
        "unsettled when the day ends.\n"
        "Choose the opening liquidity that minimises your own daily cost. All amounts are in whole cents."
    )


def _percent(basis_points: int) -> str:
    return f"{basis_points * 100 / BASIS:g} %"


def _turn(view: BankView, config: PaymentsConfig, error: str | None) -> Iterator[str]:
    cost = view.cost
    yield f"Round {view.iteration}."
    yield f"On an average past day you had to pay {view.pays} cents and received {view.is_paid} cents."
    yield f"Your policy: {LIQUIDITY} {view.policy[LIQUIDITY]}."
    yield (
        f"Its average daily cost: {cost.total} cents (liquidity {cost.liquidity}, queued {cost.delay}, unsettled "
        f"{cost.unsettled})."
    )
    if view.earlier is not None:
        yield from _history(view.earlier, config.samples)
    if error is not None:
        yield f"Your last answer could not be used: {error}"
    yield f"Propose a policy: {LIQUIDITY}, a whole number of cents from 0 to {config.most_liquidity}."


def _history(earlier: Sequence[PastProposal], samples: int) -> Iterator[str]:
    if not earlier:
        yield "You have not proposed anything yet."
        return
    yield f"Your earlier proposals, each tried on {samples} sampled days:"
    for past in earlier:
        word = "saved" if past.delta >= 0 else "cost an extra"
        kept = "accepted" if past.accepted else "rejected"
        yield f"- round {past.iteration}: {LIQUIDITY} {past.opening_liquidity} {word} {abs(past.delta)} cents; {kept}"
