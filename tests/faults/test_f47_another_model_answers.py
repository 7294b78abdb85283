"""F47: another model than the one that an arm names never answers without being refused or reported."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.plugin.test_arm_models import ARMS, MODEL_A, NAMING, asked, obedient
from tests.support.endpoint import FakeEndpoint, Fault
from tests.support.sessions import Lab


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")


@pytest.fixture
def endpoint(key: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    with FakeEndpoint(message=obedient) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        yield served


def model_checks(lab: Lab) -> dict[str, str]:
    checks = lab.meta()["instrument"]["checks"]
    return {one["message"]: one["level"] for one in checks if one["name"] == "model"}


def test_the_model_that_an_arm_names_is_asked_and_recorded(lab: Lab, endpoint: FakeEndpoint) -> None:
    lab.write(ARMS)
    lab.run(model=MODEL_A).assert_outcomes(passed=2)
    assert asked(endpoint) == {("m-a", "turn"): 4, ("m-b", "turn"): 4, ("m-a", "score"): 8}
    roles = {
        arm: lab.lines(arm, "trial_result")[0]["usage"]["roles"]["player"] for arm in ("Control", "Treatment")
    }
    assert roles == {"Control": {"openai:m-a": 2}, "Treatment": {"openai:m-b": 2}}
    assert model_checks(lab) == {
        "Control names m-a, m-a-2025 answered; Treatment names m-b, m-a-2025, m-b-2025 answered": "PASS"
    }


def test_a_server_that_answers_for_every_model_with_one_fails_the_check(
    lab: Lab, key: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(body: Mapping[str, Any]) -> Fault:
        choice = {"index": 0, "message": obedient(body, 0), "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        return Fault(200, body=json.dumps({"model": "m-small", "choices": [choice], "usage": usage}))

    lab.write(ARMS)
    with FakeEndpoint(refuse=same) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        result = lab.run(model=MODEL_A)
    assert model_checks(lab) == {
        "Control names m-a, m-small answered; Treatment names m-b, m-small answered": "FAIL"
    }
    result.stdout.fnmatch_lines(["*FAIL model, Treatment against Control:*"])


def test_the_model_that_a_request_names_answers_it_or_nothing_does(lab: Lab, endpoint: FakeEndpoint) -> None:
    lab.write(NAMING)
    lab.run(model="openai:m-s").assert_outcomes(passed=2)
    assert Counter(str(one.body["model"]) for one in endpoint.requests) == {"m-a": 2, "m-b": 2}
    endpoint.requests.clear()
    lab.write(NAMING.replace('"m-b"', '"opnai:m-b"'))
    assert lab.run("-k", "b", model="openai:m-s").ret == 1
    assert endpoint.requests == [], "no other model answered in its place"
