"""The optimisation: prompts apart, paired decisions, retries, seeds, what is recorded."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pickle
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.clients import FakeClient
from support.payments import TWO, optimise, plan, played, proposing, solved, values

from harness.errors import ModelCallError, RefusedError, StoppedError, UnacceptableReplyError
from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.experiment import calls, play
from harness.experiments.payments.market import LIQUIDITY
from harness.experiments.payments.seeds import derived, master_seed
from harness.gateway.calls import CallSite, Request
from harness.runner.result import Reason

SMALL = PaymentsConfig(max_iterations=6, history_days=5, samples=6)


def prompt(request: Request) -> str:
    return "\n".join(str(message["content"]) for message in request.messages)


def wandering(seed: int = 1) -> Any:
    """Amounts at random, by bank, iteration and attempt."""

    def answer(_: Request, site: CallSite) -> Any:
        rng = random.Random(f"{seed}/{site.person}/{site.step}/{site.attempt}")
        return {LIQUIDITY: rng.randint(0, SMALL.most_liquidity)}

    return answer


@pytest.mark.parametrize("earlier", [None, 20])
def test_a_prompt_has_nothing_of_another_bank(earlier: int | None) -> None:
    start = {bank: {LIQUIDITY: 1_111_111 + 33_333 * place} for place, bank in enumerate(SMALL.banks)}
    runner, result, client = optimise(SMALL, wandering(), earlier=earlier, policies=start)
    assert any(turn["accepted"] for turn in runner.turns)
    secrets = {bank: {bank, str(start[bank][LIQUIDITY])} for bank in SMALL.banks}
    for turn in runner.turns:
        secrets[turn["agent"]] |= {
            str(turn["proposal"][LIQUIDITY]),
            str(abs(turn["delta"])),
            str(turn["old"]),
        }
    for record in result.iteration_history:
        for bank, cost in record.costs_per_agent.items():
            secrets[bank] |= {str(cost)}
    for request, site in client.calls:
        words = set(prompt(request).replace(".", " ").replace(",", " ").replace(";", " ").split())
        for bank, known in secrets.items():
            theirs = {one for one in known - secrets[site.person] if len(one) > 2}
            assert bank == site.person or not words & theirs


def test_the_arms_differ_by_the_history_alone() -> None:
    (_, _, without), (_, _, told) = (optimise(SMALL, wandering(), earlier=earlier) for earlier in (None, 20))
    first, second = prompt(without.calls[0][0]).splitlines(), prompt(told.calls[0][0]).splitlines()
    assert set(second) - set(first) == {"You have not proposed anything yet."} and set(first) <= set(second)
    assert not any(
        "proposals" in prompt(request) or "nothing yet" in prompt(request) for request, _ in without.calls
    )
    last = prompt(told.calls[-1][0])
    assert (
        "Your earlier proposals, each tried on 6 sampled days:" in last
        and "- round 5: opening_liquidity" in last
    )


def test_told_of_none_is_not_told_nothing() -> None:
    _, _, client = optimise(SMALL, wandering(), earlier=0)
    assert all("You have not proposed anything yet." in prompt(request) for request, _ in client.calls)
    _, _, client = optimise(SMALL, wandering(), earlier=2)
    assert prompt(client.calls[-1][0]).count("- round") == 2


def test_old_and_new_are_tried_on_the_same_days() -> None:
    runner, _, _ = optimise(SMALL, wandering())
    for turn in runner.turns:
        assert turn["delta"] == sum(turn["deltas"]) == turn["old"] - turn["new"]
        assert turn["accepted"] == (turn["delta"] > 0) and len(turn["days"]) == SMALL.samples
        assert turn["seed"] == derived(0, turn["iteration"], turn["agent"])
        assert tuple(turn["days"]) == runner.market.bootstrap(turn["seed"])


def test_a_rejected_proposal_leaves_the_policies_byte_for_byte() -> None:
    runner, result, _ = optimise(solved(opening_liquidity=100_000), proposing(400_000))
    before = pickle.dumps({bank: {LIQUIDITY: 100_000} for bank in ("BANK_A", "BANK_B")})
    for record in result.iteration_history:
        assert pickle.dumps({bank: dict(policy) for bank, policy in record.policies.items()}) == before
    assert not any(turn["accepted"] for turn in runner.turns)
    assert json.dumps(runner.get_current_state().policies) == json.dumps(pickle.loads(before))


def test_what_is_malformed_is_asked_again_with_its_error() -> None:
    answers = iter([
        UnacceptableReplyError("the trial payments/Treatment said nothing", reason="not JSON (line 1)"),
        {LIQUIDITY: 500_000}, {LIQUIDITY: 100_000},
    ])  # fmt: skip

    def answer(_: Request, site: CallSite) -> Any:
        return next(answers, {LIQUIDITY: 50_000})

    runner, _, client = optimise(solved(max_iterations=1), answer)
    first, second, third = (prompt(request) for request, _ in client.calls[:3])
    assert "could not be used" not in first
    assert "Your last answer could not be used: not JSON (line 1)" in second and "Treatment" not in second
    assert "opening_liquidity=500000; expected" in third
    assert [site.attempt for _, site in client.calls[:3]] == [0, 1, 2]
    assert runner.turns[0]["proposal"] == {LIQUIDITY: 100_000} and len(runner.turns[0]["faults"]) == 2
    assert [reason for _, reason in client.rejected] == [runner.turns[0]["faults"][1]]


@pytest.mark.parametrize("amount", [-1, 400_001, 1.5, True, "50", None])
def test_asking_again_is_bounded(amount: Any) -> None:
    runner, result, client = optimise(solved(max_iterations=1, tries=2), proposing({LIQUIDITY: amount}))
    assert len(client.calls) == 4 and result.iteration_history[0].failures.keys() == {"BANK_A", "BANK_B"}
    assert "malformed: no policy in 2 answers" in result.iteration_history[0].failures["BANK_A"]
    assert runner.turns[0]["failed"] == "malformed" and not runner.turns[0]["accepted"]


def test_a_session_that_stops_is_no_failed_proposal() -> None:
    for error in (StoppedError("the run was stopped"), ModelCallError("no key", fatal=True)):
        with pytest.raises(type(error)):
            optimise(solved(), proposing(error))


def test_the_same_seed_gives_the_same_decisions() -> None:
    one, other = optimise(SMALL, wandering(), seed=0)[0].turns, optimise(SMALL, wandering(), seed=0)[0].turns
    assert one == other != optimise(SMALL, wandering(), seed=1)[0].turns


def test_seeds_are_sha_256_of_their_place() -> None:
    key = "0\0" + "1\0BANK_A"
    assert derived(0, 1, "BANK_A") == int(hashlib.sha256(key.encode()).hexdigest()[:16], 16) >> 1
    assert len({derived(master, step, bank) for master in (0, 1) for step in (1, 2) for bank in "AB"}) == 8
    assert master_seed(0, "market_1", 1) != master_seed(0, "market_1", 2)


HASHED = """
import json
from tests.experiments.test_payments_optimiser import SMALL, wandering
from support.payments import optimise
print(json.dumps(optimise(SMALL, wandering(), seed=0)[0].turns))
"""


def test_the_hash_seed_has_no_say() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", HASHED], env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ".:tests"},
            cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    (turns,) = said
    assert json.loads(turns) == json.loads(json.dumps(optimise(SMALL, wandering(), seed=0)[0].turns))


def test_what_a_trial_records() -> None:
    result, client = played(solved(), proposing(100_000, 50_000), group="Treatment")
    details = json.loads(json.dumps(result.details))
    assert details["last_iteration"] == len(details["iterations"]) == values(result)["iterations"]
    assert len(details["turns"]) == len(client.calls) == 2 * details["last_iteration"]
    accepted = [turn["accepted"] for turn in details["turns"]]
    assert values(result)["accepted_share"] == sum(accepted) / len(accepted)
    final = details["iterations"][-1]
    assert sum(final["costs_per_agent"].values()) == values(result)["final_total_cost"]
    assert details["events"][0] == {"event": "experiment_start", "experiment_name": result.trial.id}
    assert [one["event"] for one in details["events"]][-2:] == ["convergence", "experiment_complete"]


def test_the_arms_meet_the_same_days_and_reps_do_not() -> None:
    def seeds(**which: Any) -> tuple[int, list[int]]:
        details = played(SMALL, wandering(), **which)[0].details
        return details["master_seed"], details["turns"][0]["days"]

    control, treatment, again = seeds(), seeds(group="Treatment"), seeds(rep=2)
    assert control == treatment and control[0] != again[0]
    assert seeds(seed=7)[0] != control[0]


def test_refusals_all_along_are_an_outcome_and_an_outage_is_none() -> None:
    result, _ = played(solved(), proposing(RefusedError("I would rather not.")))
    assert result.details["convergence_reason"] == Reason.PROPOSER_OUTAGE and result.details["failures"] == 6
    assert values(result)["converged"] == 0.0 and values(result)["accepted_share"] is None
    with pytest.raises(
        ModelCallError, match="no proposal in 3 iterations in a row; 6 of 6 calls failed"
    ) as caught:
        played(solved(), proposing(ModelCallError("HTTP 503")))
    assert [event["event"] for event in caught.value.details["events"]][-1] == "experiment_complete"


def test_bootstrap_mode_estimates_on_days_of_each_iteration() -> None:
    config = PaymentsConfig(
        convergence="bootstrap", window=4, max_iterations=30, history_days=6, tolerance=0.0
    )
    _, result, _ = optimise(config, proposing(300_000))
    costs = [record.total_cost for record in result.iteration_history]
    assert len(set(costs)) > 1, "estimates vary though the policies do not"
    assert result.convergence_reason in (Reason.BOOTSTRAP_CONVERGED, Reason.MAX_ITERATIONS)
    _, again, _ = optimise(config, proposing(300_000))
    assert [record.total_cost for record in again.iteration_history] == costs


def test_the_two_banks_day_is_what_it_says() -> None:
    assert [payment.amount for payment in TWO.day] == [TWO.x, TWO.y]


def test_with_a_confidence_the_interval_of_the_deltas_decides() -> None:
    turns = [
        turn
        for seed in range(4)
        for turn in optimise(replace(SMALL, confidence=0.9, samples=4), wandering(seed), seed=seed)[0].turns
    ]
    for turn in turns:
        above = turn["interval"] is not None and turn["interval"]["low"] > 0
        assert turn["accepted"] == (turn["delta"] > 0 and above)
    assert any(turn["accepted"] for turn in turns)
    assert any(turn["delta"] > 0 and not turn["accepted"] for turn in turns), "some saved, but not surely"


def test_calls_are_within_what_was_estimated() -> None:
    config = solved(max_iterations=12, window=4)
    (least,), (most,) = (bound.values() for bound in calls(plan(config)))
    assert (least, most) == (3 * 2, 12 * 2 * 3)
    for answer in (wandering(), proposing(1), proposing(RefusedError("no")), proposing({LIQUIDITY: -1})):
        assert least <= len(played(config, answer)[1].calls) <= most


def test_an_arm_that_says_nothing_of_proposals_is_told_nothing_of_them() -> None:
    client = FakeClient(proposing(1))
    asyncio.run(play(replace(plan(solved(max_iterations=1)), arm={}), client))
    assert not any(
        "propose" in prompt(request).partition("Propose a policy")[0] for request, _ in client.calls
    )
