"""Prices, seeds and aliases from the command line to the record and back."""

from __future__ import annotations

import json

import pytest

from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.server.chat_completions import chat_request
from tests.support.endpoint import FakeEndpoint
from tests.support.sessions import Lab

OWN = {"gpt-4o-mini-2025": {"input": 1_000_000, "output": 0}}


def test_prices_seeds_and_the_warning_of_an_alias(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")
    (lab.path / "own.json").write_text(json.dumps(OWN))
    rehearsal = RehearsalProvider(1)
    with FakeEndpoint(
        message=lambda body, number: {
            "content": rehearsal.answer(chat_request(body), trial="t", occurrence=number).text
        }
    ) as endpoint:
        options = (f"--model-base-url={endpoint.url}", "--provider-seed=7", "--prices=own.json")
        result = lab.run(*options, model="openai:gpt-4o-mini")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*Model 'gpt-4o-mini' is an alias without a date*"])
    seeds = [request.body["seed"] for request in endpoint.requests]
    assert len(seeds) == 16 and len(set(seeds)) >= 4, "a trial's seeds are its own"
    usage = lab.meta()["usage"]
    assert (usage["cost"], usage["cost_reason"]) == (7.0 * len(seeds), None)


def test_another_provider_seed_is_another_run_and_a_bad_price_file_is_told_first(lab: Lab) -> None:
    lab.run("--provider-seed=7")
    lab.run("--provider-seed=8")
    assert len(lab.artifacts) == 2
    (lab.path / "own.json").write_text('{"a": {"input": -1, "output": 1}}')
    result = lab.run("--prices=own.json")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*own.json: 'a': input=-1; expected US dollars per million tokens*"])
