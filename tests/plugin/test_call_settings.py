"""How calls are made, from the command line to the server: JSON by other means, refused fields, time limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.server.chat_completions import chat_request
from tests.support.endpoint import FakeEndpoint, Fault
from tests.support.sessions import Lab

REHEARSAL = RehearsalProvider(1)


def without_schema(body: Mapping[str, Any]) -> Fault | None:
    kind = (body.get("response_format") or {}).get("type")
    return Fault(400, "json_schema is not supported by this model") if kind == "json_schema" else None


def answer(body: Mapping[str, Any], number: int) -> dict[str, Any]:
    """What a model says that reads the schema in its instructions."""
    rule = body["messages"][0]["content"]
    if "person stays courteous" in str(body["messages"]):
        return {"content": '{"justification": "j", "value": 6}'}
    assert "matches this JSON schema" in rule
    actions = '[{"type": "TALK", "content": "Fine.", "target": ""}]'
    return {"content": f'{{"actions": {actions}}}'}


def obedient(body: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {"content": REHEARSAL.answer(chat_request(body), trial="t", occurrence=number).text}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")


def test_personas_play_on_a_server_without_json_schema_and_it_is_said_once(lab: Lab) -> None:
    with FakeEndpoint(message=answer, refuse=without_schema) as endpoint:
        options = (f"--model-base-url={endpoint.url}", "--concurrency=1")
        result = lab.run(*options, model="openai:m-2025-01-01")
        assert result.ret == 0
        sent = len(endpoint.requests)
        assert sent == 17, "16 calls, and one that was refused"
        lab.run(*options, "--resume", lab.meta()["run_id"], model="openai:m-2025-01-01")
        assert len(endpoint.requests) == sent
    said = [line for line in result.outlines if "does not accept a JSON schema" in line]
    assert len(said) == 1
    assert "json_schema is not supported by this model" in said[0]
    for record in lab.lines(kind="trial_result"):
        assert record["replies"]["forms"] == {"act": {"json_object": 2}, "score_person": {"json_object": 2}}
    checks = {check["name"]: check for check in lab.meta()["instrument"]["checks"]}
    assert checks["response format"]["level"] == "PASS"


def test_a_chosen_form_belongs_to_the_run_and_the_time_limit_does_not(lab: Lab) -> None:
    with FakeEndpoint(message=answer) as endpoint:
        options = (f"--model-base-url={endpoint.url}", "-k", "Control", "--response-format=object")
        lab.run(*options, "--timeout=7", model="openai:m-2025-01-01")
        sent = len(endpoint.requests)
        lab.run(*options, "--timeout=9", model="openai:m-2025-01-01")
        assert len(endpoint.requests) == sent
        lab.run(*options[:-1], "--response-format=prompt", model="openai:m-2025-01-01")
        assert len(endpoint.requests) == 2 * sent
    kinds = {(seen.body.get("response_format") or {}).get("type") for seen in endpoint.requests}
    assert kinds == {"json_object", None}


def test_a_refused_temperature_ends_the_session_and_says_which_option_changes_it(lab: Lab) -> None:
    def refuse(body: Mapping[str, Any]) -> Fault | None:
        if body.get("temperature") in (None, 1):
            return None
        return Fault(
            400, "Unsupported value: 'temperature' does not support 0.2; only the default (1) is supported."
        )

    with FakeEndpoint(message=obedient, refuse=refuse) as endpoint:
        options = (f"--model-base-url={endpoint.url}", "--concurrency=1")
        result = lab.run(*options, "--temperature=0.2", model="openai:m-2025-01-01")
        assert result.ret == 1
        assert len(endpoint.requests) == 1, "no later call can have it either"
        result.stdout.fnmatch_lines(["*only the default (1) is supported*--temperature*"])
        assert lab.run(*options, "--temperature=1", model="openai:m-2025-01-01").ret == 0


@pytest.mark.parametrize(
    "option",
    [
        "--call-timeout=0",
        "--call-timeout-total=-5",
        "--connect-timeout=nan",
        "--call-timeout=inf",
        "--response-format=xml",
    ],
)
def test_settings_of_a_call_that_cannot_be_are_refused(lab: Lab, option: str) -> None:
    result = lab.run(option)
    assert result.ret == 4
    assert not lab.watched.calls
    result.stderr.fnmatch_lines([f"*{option.partition('=')[0]}*expected*"])
