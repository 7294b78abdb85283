"""F22: an outage of the model counts as acceptance, or as stability. Here it is recorded, and decides nothing."""

from __future__ import annotations

from typing import Any

import pytest
from support.payments import optimise, played, proposing, solved

from harness.errors import ModelCallError, RefusedError, UnacceptableReplyError
from harness.experiments.payments.market import LIQUIDITY
from harness.gateway.calls import CallSite, Request
from harness.runner.result import Reason

OUT = ModelCallError("HTTP 503: overloaded")
FAILURES = [
    OUT,
    RefusedError("I would rather not."),
    UnacceptableReplyError("no", reason="not JSON"),
    {LIQUIDITY: -1},
]


@pytest.mark.parametrize("failure", FAILURES, ids=["outage", "refused", "malformed", "out of range"])
def test_a_failure_is_never_an_acceptance_nor_stability(failure: Any) -> None:
    runner, result, _ = optimise(solved(window=2, patience=5), proposing(failure))
    assert (result.converged, result.convergence_reason) == (False, Reason.PROPOSER_OUTAGE)
    assert result.num_iterations == 5
    for record in result.iteration_history:
        assert record.failures.keys() == record.costs_per_agent.keys()
        assert not any(record.accepted_changes.values())
        assert all(policy == {LIQUIDITY: 400_000} for policy in record.policies.values())
    assert all(turn["failure"] and turn["failed"] and turn["proposal"] is None for turn in runner.turns)


def test_iterations_with_a_failure_are_not_counted_as_stable() -> None:
    def answer(_: Request, site: CallSite) -> Any:
        return OUT if site.person == "BANK_B" and site.step % 2 else {LIQUIDITY: 400_000}

    _, result, _ = optimise(solved(window=3), answer)
    assert result.convergence_reason == Reason.STABILITY_REACHED
    assert result.num_iterations == 8, "the fourth iteration in which both proposed"


def test_a_short_outage_is_recorded_and_the_run_goes_on() -> None:
    def answer(_: Request, site: CallSite) -> Any:
        return OUT if site.step == 1 else {LIQUIDITY: 150_000}

    trial, _ = played(solved(), answer)
    first, second = trial.details["iterations"][:2]
    assert first["failures"].keys() == {"BANK_A", "BANK_B"} and "503" in first["failures"]["BANK_A"]
    assert trial.details["failures"] == 2 and not any(first["accepted_changes"].values())
    assert second["failures"] == {} and all(second["accepted_changes"].values())
    told = [event for event in trial.details["events"] if event["event"] == "agent_optimized"]
    assert told[0] == {"event": "agent_optimized", "agent_id": "BANK_A", "accepted": False, "delta": None}


def test_a_run_that_ends_in_an_outage_is_a_failed_trial() -> None:
    with pytest.raises(ModelCallError, match="no proposal in 3 iterations in a row"):
        played(solved(), proposing(200_000, OUT))
