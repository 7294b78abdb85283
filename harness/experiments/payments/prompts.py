"""What a bank is told. A prompt is made of its `BankView` alone, and a view has nothing of another bank's."""

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
    """An earlier proposal of the bank's own and what came of it; ``delta`` in cents."""

    iteration: int
    opening_liquidity: int
    accepted: bool
    delta: int


@dataclass(frozen=True, slots=True)
class BankView:
    """What one bank sees at its turn. ``earlier`` is ``None`` where it is not told of its proposals."""

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
    """The prompt; ``error`` is what was wrong with the last answer."""
    told = "\n".join(_told(view, config, error))
    return [{"role": "system", "content": _rules(view.bank, config)}, {"role": "user", "content": told}]


def _rules(bank: str, config: PaymentsConfig) -> str:
    return (
        f"You manage the liquidity of {bank} in a payment system that settles each payment at once and in full.\n"
        f"A day has {config.ticks} ticks. A payment that your balance does not cover waits in your queue, first in, "
        "first out; money that comes in can be used at once.\n"
        f"Opening liquidity costs {_percent(config.liquidity_bps)} of it a day. A queued payment costs "
        f"{_percent(config.delay_bps)} of it a tick, and one that is unsettled when the day ends "
        f"{_percent(config.unsettled_bps)} of it more.\n"
        "Choose the opening liquidity that makes your own daily cost as low as possible. All money is in whole cents."
    )


def _percent(basis_points: int) -> str:
    return f"{basis_points * 100 / BASIS:g} %"


def _told(view: BankView, config: PaymentsConfig, error: str | None) -> Iterator[str]:
    cost = view.cost
    yield f"Round {view.iteration}."
    yield f"On a past day you had {view.pays} cents to pay and got {view.is_paid} cents, in the mean."
    yield f"Your policy: {LIQUIDITY} {view.policy[LIQUIDITY]}."
    yield (
        f"Your cost of a day under it, in the mean: {cost.total} cents (liquidity {cost.liquidity}, queued "
        f"{cost.delay}, unsettled {cost.unsettled})."
    )
    if view.earlier is not None:
        yield from _history(view.earlier, config.samples)
    if error is not None:
        yield f"Your last answer could not be used: {error}"
    yield f"Propose a policy: {LIQUIDITY}, a whole number of cents from 0 to {config.most_liquidity}."


def _history(earlier: Sequence[PastProposal], samples: int) -> Iterator[str]:
    if not earlier:
        yield "You have proposed nothing yet."
        return
    yield f"Your earlier proposals, each tried on {samples} sampled days:"
    for past in earlier:
        word = "saved" if past.delta >= 0 else "cost"
        kept = "kept" if past.accepted else "not kept"
        yield f"- round {past.iteration}: {LIQUIDITY} {past.opening_liquidity} {word} {abs(past.delta)} cents; {kept}"
