"""A run that is killed again and again, with real processes and a provider that counts, and its undisturbed twin."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from support.kills import WHOLE, CountingEndpoint, Sessions

from harness.engines.tinytroupe import check
from harness.errors import ConfigurationError
from tests.support.sessions import CALLS_PER_TRIAL, Lab

pytestmark = pytest.mark.slow

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


def kill_and_go_on(lab: Lab, *options: str, **variables: str) -> None:
    """Kill sessions of the whole experiment with all their workers, and without: each ends as if undisturbed."""
    lab.write(WHOLE)
    rng = Random(20251120)
    with CountingEndpoint(0.005) as endpoint:
        common = ("-m", "experiment", "--count=1", f"--concurrency={CONCURRENCY}", *options)
        sessions = Sessions(endpoint, lab.path, common, **variables)
        undisturbed = sessions.finish(lab.path / "undisturbed")
        calls = endpoint.count
        for everyone in (True, False):
            moment, before = rng.randint(calls // 5, calls * 4 // 5), endpoint.count
            results = lab.path / f"killed at {moment}"
            killed = sessions.kill_at(results, moment, rng.uniform(0, 0.01), everyone=everyone)
            assert killed, f"it ended before request {moment} of {calls}"
            assert not killed.orphans
            assert sessions.finish(results) == undisturbed
            assert calls <= endpoint.count - before <= calls + CONCURRENCY


def test_workers_of_xdist_are_killed(lab: Lab) -> None:
    kill_and_go_on(lab, "-n", "2")


@pytest.mark.tinytroupe
@pytest.mark.parametrize("workers", [("--workers=2",), ("-n", "2", "--workers=1")], ids=["alone", "xdist"])
def test_workers_of_tinytroupe_are_killed(lab: Lab, workers: tuple[str, ...]) -> None:
    kill_and_go_on(lab, "--engine=tinytroupe", *workers, **checkout())


def checkout() -> Mapping[str, str]:
    """The variable that names it. Skips where there is none."""
    try:
        check(Path(os.environ.get("TINYTROUPE_REPO_DIR") or "nowhere"))
    except ConfigurationError as missing:
        pytest.skip(str(missing))
    return {"TINYTROUPE_REPO_DIR": os.environ["TINYTROUPE_REPO_DIR"]}
