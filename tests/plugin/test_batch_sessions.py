"""Sessions with batches, in processes of their own: killed, interrupted, and as users start them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.batch_endpoint import BatchEndpoint
from support.sessions import Lab, lab

__all__ = ["lab"]

pytestmark = pytest.mark.slow

MODEL = "openai:fake-2025-01-01"
PRICES = {"fake-2025-01-01-2025": {"input": 1000.0, "output": 1000.0}}
FULL = 10 * 1000.0 / 1e6
"""The price of a call: ten tokens."""

TURNS, SCORES = 8, 8
"""Calls of the small experiment: two people act in four trials, and each is scored."""


@pytest.fixture(scope="module")
def server() -> Iterator[BatchEndpoint]:
    with BatchEndpoint() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")


def options(lab: Lab, server: BatchEndpoint, results: str) -> tuple[str, ...]:
    (lab.path / "prices.json").write_text(json.dumps(PRICES))
    return (
        f"--model-base-url={server.url}", "--prices=prices.json", "--provider-seed=1", f"--results-dir={results}",
    )  # fmt: skip


def finish(lab: Lab, server: BatchEndpoint, results: str, *more: str) -> str:
    """What a session that runs to its end says."""
    session = lab.run(*options(lab, server, results), *more, model=MODEL)
    assert session.ret == 0
    return session.stdout.str()


def end_when(
    lab: Lab, server: BatchEndpoint, results: str, reached: Callable[[], bool], number: signal.Signals
) -> str:
    """Start a session with batches and send it the signal once it is ``reached``; what it said."""
    session = lab.start(f"--model={MODEL}", *options(lab, server, results), "--batch", leader=True)
    while not reached():
        assert session.poll() is None, session.communicate()[0]
        time.sleep(0.01)
    os.killpg(session.pid, number)
    return session.communicate()[0]


def artifact(folder: Path) -> bytes:
    (found,) = [path for path in folder.glob("*.json") if not path.name.endswith(".meta.json")]
    return found.read_bytes()


def test_a_batch_killed_twice_and_interrupted_is_sent_once_and_gives_the_same_artifact(
    lab: Lab, server: BatchEndpoint
) -> None:
    finish(lab, server.begin(), "plain")
    assert server.count == TURNS + SCORES

    server.begin(ready=False, hidden=True)
    end_when(lab, server, "batched", lambda: bool(server.batches), signal.SIGKILL)
    server.hidden = False
    end_when(lab, server, "batched", lambda: server.looks > 2, signal.SIGKILL)
    looks = server.looks
    said = end_when(lab, server, "batched", lambda: server.looks > looks, signal.SIGINT)
    assert "1 batch of 8 calls stays open, and the same command collects it." in said
    assert "1 batch of 8 calls stays open at openai:fake-2025-01-01: rerun the same command to" in said
    server.ready = True
    said = finish(lab, server, "batched", "--batch")

    assert server.count == TURNS
    assert [len(batch.calls) for batch in server.batches] == [SCORES]
    assert "Collecting the batch batch_0 of 8 calls, sent by an earlier session." in said
    assert "16 calls, 112 tokens in, 48 out, $0.1200." in said, "half of them at half the price"
    assert artifact(lab.path / "batched") == artifact(lab.path / "plain")
    usage = [
        json.loads(line)["usage"]
        for path in (lab.path / "batched").glob("*.jsonl")
        for line in path.read_text().splitlines()
        if '"trial_result"' in line
    ]
    assert sum(one["cost"] for one in usage) == pytest.approx((TURNS + SCORES / 2) * FULL)
    assert sum(sum(one["calls"].values()) for one in usage) == TURNS + SCORES


def test_a_model_without_a_batch_api_is_refused_and_a_rehearsal_says_that_nothing_changes(lab: Lab) -> None:
    refused = lab.run("--batch", model="watched")
    assert refused.ret == 4
    refused.stderr.fnmatch_lines(
        [
            "*--batch: watched:watched-1 has no batch API; expected a model of openai: or anthropic:, or leave it out."
        ]
    )
    rehearsed = lab.run("--batch", model="rehearsal")
    assert rehearsed.ret == 0
    rehearsed.stdout.fnmatch_lines(
        ["Batches: rehearsal:rehearsal-1 has no batch API; calls to it are ordinary ones."]
    )


def test_rescoring_goes_in_one_batch(lab: Lab, server: BatchEndpoint) -> None:
    finish(lab, server.begin(), "plain")
    server.begin()
    words = (
        "rescore", "--results-dir=plain", "--path=test_small.py", "--judge-model=openai:judge-2025-01-01",
        f"--judge-base-url={server.url}", "--share=1", "--batch",
    )  # fmt: skip
    done = lab.command(*words)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 chosen trials scored again" in done.stdout
    assert server.count == 0
    assert [len(batch.calls) for batch in server.batches] == [SCORES]
