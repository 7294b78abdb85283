"""The models of roles are tried before the first trial, and a session that never began says only why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.server.chat_completions import chat_request
from tests.support.endpoint import FakeEndpoint, Fault
from tests.support.sessions import Lab

GONE = "http://127.0.0.1:9/v1"


def refused(status: int, code: str, text: str) -> Fault:
    return Fault(status, body=json.dumps({"error": {"message": text, "code": code}}))


FAULTS = {
    "no-key": refused(401, "invalid_api_key", "Incorrect API key provided."),
    "no-model": refused(404, "model_not_found", "The model does not exist."),
    "no-credit": refused(429, "insufficient_quota", "You exceeded your quota."),
}


def obedient(body: Mapping[str, Any], number: int) -> dict[str, Any]:
    if "response_format" not in body:
        return {"content": "Yes."}
    return {"content": RehearsalProvider(1).answer(chat_request(body), trial="t", occurrence=number).text}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")
    with FakeEndpoint(message=obedient, refuse=lambda body: FAULTS.get(str(body["model"]))) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        yield served


def calls(endpoint: FakeEndpoint) -> Counter[str]:
    return Counter(str(seen.body["model"]) for seen in endpoint.requests)


@pytest.mark.parametrize(
    ("role", "model"),
    [
        ("judge", "no-key"),
        ("judge", "no-credit"),
        ("extractor", "no-model"),
        ("corrector", "no-key"),
        ("user", "no-model"),
    ],
)
def test_a_role_whose_model_cannot_be_used_ends_the_session_before_the_first_trial(
    lab: Lab, endpoint: FakeEndpoint, role: str, model: str
) -> None:
    result = lab.run(f"--{role}-model=openai:{model}", model="openai:m")
    assert result.ret == 1
    assert calls(endpoint) == {model: 1}, "nothing was asked of the player"
    said = " ".join(result.stdout.str().split())
    assert f"The model of the {role} cannot be used. Model openai:{model} at " in said
    assert json.loads(FAULTS[model].body or "")["error"]["message"] in said
    if model == "no-model":
        assert f"Choose another with --{role}-model" in said


def test_a_judge_whose_server_is_down_ends_the_session_before_the_first_trial(
    lab: Lab, endpoint: FakeEndpoint
) -> None:
    result = lab.run("--judge-model=openai:j", f"--judge-base-url={GONE}", model="openai:m")
    assert result.ret == 1 and calls(endpoint) == {}
    result.stdout.fnmatch_lines(["*The model of the judge cannot be used.*--judge-base-url*"])


def test_a_judge_that_answers_is_asked_once_and_its_price_is_said(lab: Lab, endpoint: FakeEndpoint) -> None:
    (lab.path / "mine.json").write_text(
        json.dumps({"m": {"input": 1, "output": 1}, "j": {"input": 1, "output": 1}})
    )
    result = lab.run("--judge-model=openai:j", "--prices=mine.json", model="openai:m")
    result.assert_outcomes(passed=2)
    assert calls(endpoint) == {"m": 8, "j": 8 + 1}
    result.stdout.fnmatch_lines(["The model of the judge, openai:j, answers; one short call, $0.00001."])
    used = [
        one["usage"]["calls"] for arm in ("Control", "Treatment") for one in lab.lines(arm, "trial_result")
    ]
    assert sum(sum(one.values()) for one in used) == 16, "the call belongs to no trial"


def test_trouble_that_may_pass_does_not_end_the_session(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")
    busy = {"j": 1}

    def refuse(body: Mapping[str, Any]) -> Fault | None:
        name = str(body["model"])
        busy[name] = busy.get(name, 0) - 1
        return Fault(503) if busy[name] == 0 else None

    with FakeEndpoint(message=obedient, refuse=refuse) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        lab.run("--judge-model=openai:j", model="openai:m").assert_outcomes(passed=2)


def test_a_rehearsal_asks_no_server(lab: Lab, endpoint: FakeEndpoint) -> None:
    lab.run("--judge-model=openai:no-key", model="rehearsal").assert_outcomes(passed=2)
    assert calls(endpoint) == {}


@pytest.mark.parametrize("model", ["no-key"])
def test_a_session_whose_first_call_fails_for_good_prints_the_error_alone(
    lab: Lab, endpoint: FakeEndpoint, model: str
) -> None:
    result = lab.run(model=f"openai:{model}")
    assert result.ret == 1
    said = result.stdout.str()
    assert json.loads(FAULTS[model].body or "")["error"]["message"] in said
    assert not any(word in said for word in ("metric", "Validity checks", "Artifact", "Cases:", "alias"))


def test_a_session_that_ends_after_a_reply_still_says_what_it_cost(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")
    fault = FAULTS["no-credit"]
    with FakeEndpoint(message=obedient, fault=lambda number: fault if number > 2 else None) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        result = lab.run("--concurrency=1", model="openai:m")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*trials finished; * tokens in*"])
