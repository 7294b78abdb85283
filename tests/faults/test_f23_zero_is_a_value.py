"""F23: zero stands for "not set". Here zero liquidity, a delta of zero, seed zero and a history of none are values."""

from __future__ import annotations

import io
from typing import Any

from support.payments import WAITING, optimise, plan, played, proposing, solved

from harness.experiments.payments.acceptance import judge
from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.market import LIQUIDITY, Market
from harness.experiments.payments.proposals import fault_of
from harness.gateway.calls import Request
from harness.runner import RichOutput


def text(request: Request) -> str:
    return str(request.messages)


def test_a_policy_of_zero_is_proposed_tried_and_kept() -> None:
    config = solved(WAITING)
    assert fault_of({LIQUIDITY: 0}, config) is None
    runner, result, _ = optimise(config, proposing(0))
    assert runner.turns[0]["proposal"] == {LIQUIDITY: 0} and runner.turns[0]["accepted"]
    assert result.final_policies["BANK_A"] == {LIQUIDITY: 0}


def test_a_bank_that_starts_from_zero_keeps_it_until_it_proposes_better() -> None:
    config = solved(opening_liquidity=0)
    _, result, client = optimise(config, proposing(0))
    assert f"Your policy: {LIQUIDITY} 0." in text(client.calls[0][0])
    assert all(policy == {LIQUIDITY: 0} for policy in result.final_policies.values())


def test_a_delta_of_zero_was_decided_on() -> None:
    assert judge((5, 6), (5, 6)).delta == 0 and not judge((5, 6), (5, 6)).accepted
    runner, result, _ = optimise(solved(), proposing(400_000))
    assert runner.turns[0]["delta"] == 0 and result.iteration_history[0].failures == {}
    console = io.StringIO()
    optimise(solved(max_iterations=1), proposing(400_000), output=RichOutput(console))
    assert "BANK_A: rejected, saves $0.00" in console.getvalue() and "no proposal" not in console.getvalue()


def test_seed_zero_is_a_seed() -> None:
    config = PaymentsConfig(max_iterations=1)
    seeds = [played(config, proposing(500_000), seed=seed)[0].details["master_seed"] for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]
    assert (
        plan(config).seed == 0 and Market(config, 0).days == Market(config, 0).days != Market(config, 1).days
    )


def test_told_of_none_differs_from_not_told() -> None:
    def first(earlier: int | None) -> str:
        return text(optimise(solved(max_iterations=1), proposing(1), earlier=earlier)[2].calls[0][0])

    assert "You have not proposed anything yet." in first(0) and "proposed anything" not in first(None)


def test_free_liquidity_costs_nothing_and_is_no_default() -> None:
    free: dict[str, Any] = {"liquidity_bps": 0, "delay_bps": 0, "unsettled_bps": 0}
    _, result, client = optimise(PaymentsConfig(**free, max_iterations=1), proposing(0))
    assert set(result.final_costs.values()) == {0} and "costs 0 % of its amount per day" in text(
        client.calls[0][0]
    )
