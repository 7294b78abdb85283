"""A run that is killed again and again, with real processes and a provider that counts, and its undisturbed twin."""

from __future__ import annotations

import json
from random import Random

import pytest
from support.kills import CountingEndpoint, Sessions

from tests.support.sessions import CALLS_PER_TRIAL, Lab

CONCURRENCY = 4
OPTIONS = ("-m", "experiment", "--count=2", f"--concurrency={CONCURRENCY}")
CALLS = 8 * CALLS_PER_TRIAL


@pytest.mark.parametrize("seed", [20251120])
def test_five_kills_cost_no_more_than_what_was_in_flight(lab: Lab, seed: int) -> None:
    rng = Random(seed)
    with CountingEndpoint() as endpoint:
        sessions = Sessions(endpoint, lab.path, OPTIONS)
        undisturbed = sessions.finish(lab.path / "undisturbed")
        assert endpoint.count == CALLS

        killed = [
            sessions.kill_at(lab.path / "killed", rng.randint(2, 7), rng.uniform(0, 0.03)) for _ in range(5)
        ]
        assert all(killed), "it ended before it could be killed"
        assert sessions.finish(lab.path / "killed") == undisturbed
        assert CALLS <= endpoint.count - CALLS <= CALLS + 5 * CONCURRENCY

    lines = [
        json.loads(line)
        for path in (lab.path / "killed").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    trials = [line for line in lines if line["type"] == "trial_result"]
    assert len(trials) == 8
    # Every trial's line tells all that was paid for it, in whichever session.
    assert all(sum(trial["usage"]["calls"].values()) == CALLS_PER_TRIAL for trial in trials)
    assert all(trial["paid"] == trial["usage"] for trial in trials)
    assert sum(trial["calls_replayed"] for trial in trials) > 0
