"""Arms with their own model: who is asked, what is recorded and priced, and what is refused before the first call."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ExitCode
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.server.chat_completions import chat_request
from tests.support.endpoint import FakeEndpoint
from tests.support.sessions import SMALL, Lab

ARMS = SMALL.replace('Group("Treatment")', 'Group("Treatment", model="openai:m-b")')
MODEL_A = "openai:m-a"


def obedient(body: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {"content": RehearsalProvider(1).answer(chat_request(body), trial="t", occurrence=number).text}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")
    with FakeEndpoint(message=obedient) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        yield served


def asked(endpoint: FakeEndpoint) -> Counter[tuple[str, str]]:
    names = (
        (str(seen.body["model"]), seen.body["response_format"]["json_schema"]["name"])
        for seen in endpoint.requests
    )
    return Counter(names)


def test_the_arm_s_model_plays_and_the_session_s_judges_both_arms(lab: Lab, endpoint: FakeEndpoint) -> None:
    lab.write(ARMS)
    result = lab.run(model=MODEL_A)
    assert result.ret == 0
    assert asked(endpoint) == {("m-a", "turn"): 4, ("m-b", "turn"): 4, ("m-a", "score"): 8}
    result.stdout.fnmatch_lines(["Treatment: model openai:m-b; *"])
    models = {arm: lab.lines(arm, "run_metadata")[0]["model"] for arm in ("Control", "Treatment")}
    assert models == {"Control": "m-a", "Treatment": "m-b"}
    checks = {(one["name"], one["level"]) for one in lab.meta()["instrument"]["checks"]}
    assert {("treatment", "PASS"), ("only the treatment", "PASS"), ("settings", "PASS")} <= checks


def test_the_budget_prices_each_model_by_its_name(lab: Lab, endpoint: FakeEndpoint, tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"m-a": {"input": 1, "output": 1}}))
    lab.write(ARMS)
    result = lab.run(f"--prices={prices}", "--max-cost=1", model=MODEL_A)
    assert result.ret != 0 and not endpoint.requests, "no price of m-b: refused before the first call"
    assert "m-b" in result.stdout.str() + result.stderr.str()
    prices.write_text(json.dumps({"m-a": {"input": 1, "output": 1}, "m-b": {"input": 1000, "output": 0}}))
    assert lab.run(f"--prices={prices}", "--max-cost=9", model=MODEL_A).ret == 0
    costs = {
        arm: sum(one["usage"]["cost"] for one in lab.lines(arm, "trial_result"))
        for arm in ("Control", "Treatment")
    }
    assert costs["Control"] == pytest.approx(8 * 10 / 1e6)
    assert costs["Treatment"] == pytest.approx((4 * 7000 + 4 * 10) / 1e6)


def test_a_rehearsal_records_the_name_and_answers_itself(lab: Lab) -> None:
    lab.write(ARMS)
    result = lab.run(model="rehearsal")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["REHEARSAL*", "*Treatment: model openai:m-b; *"])
    (line,) = lab.lines("Treatment", "run_metadata")
    assert (line["provider"], line["group_settings"]["model"]) == ("rehearsal", "openai:m-b")
    used = {one["model"] for record in lab.lines(kind="trial_result") for one in record["usage"]["models"]}
    assert used == {"rehearsal-1"}


@pytest.mark.parametrize("model", ["rehearsal", MODEL_A])
def test_an_unknown_provider_in_one_arm_of_four_is_refused_before_the_first_call(
    lab: Lab, endpoint: FakeEndpoint, model: str
) -> None:
    arms = 'Group("B"), Group("C"), Group("D", model="opnai:m-b")'
    lab.write(SMALL.replace('Group("Treatment")', arms))
    result = lab.run(model=model)
    assert result.ret in (ExitCode.USAGE, ExitCode.FAILED)
    assert not endpoint.requests and not lab.lines(kind="trial_result")
    assert "unknown provider 'opnai'" in result.stdout.str() + result.stderr.str()


def test_another_model_is_another_run(lab: Lab, endpoint: FakeEndpoint) -> None:
    lab.write(ARMS)
    lab.run("--no-summary", model=MODEL_A)
    lab.write(ARMS.replace("m-b", "m-c"))
    lab.run("--no-summary", model=MODEL_A)
    assert asked(endpoint)["m-c", "turn"] == 4 and len(lab.artifacts) == 2
