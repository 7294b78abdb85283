"""What servers say of tokens and of faults, in whole sessions: counted, charged, told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from harness.errors import ExitCode
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.server.chat_completions import chat_request
from tests.support.endpoint import FakeEndpoint, Fault
from tests.support.sessions import CALLS_PER_TRIAL, Lab

TRIALS = 4
_REHEARSAL = RehearsalProvider(1)


def sensible(body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    return {"content": _REHEARSAL.answer(chat_request(body), trial="t", occurrence=number).text}


@pytest.fixture
def keyed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-a-test")
    (lab.path / "prices.json").write_text('{"m": {"input": 1.0, "output": 10.0}}')
    return lab


REASONING_BESIDE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 600,
    "completion_tokens_details": {"reasoning_tokens": 480},
}


@pytest.mark.parametrize(
    ("usage", "least"),
    [
        (REASONING_BESIDE, (100 * 1 + 500 * 10) / 1e6),
        ({"prompt_tokens": 100, "completion_tokens": -20}, 0.0075),
        ({"prompt_tokens": "100", "completion_tokens": [20]}, 0.0075),
        ("120 tokens", 0.0075),
        (None, 0.0075),
    ],
)
def test_a_budget_in_dollars_holds_whatever_the_server_states(keyed: Lab, usage: Any, least: float) -> None:
    """Each call is charged at least what it can have cost, so the session stops at once or within the budget."""
    with FakeEndpoint(message=sensible, usage=usage) as endpoint:
        result = keyed.run(
            "--max-cost=0.03",
            "--concurrency=1",
            "--prices=prices.json",
            f"--model-base-url={endpoint.url}",
            model="openai:m",
        )
    assert result.ret == ExitCode.BUDGET
    assert len(endpoint.requests) * least <= 0.03
    result.stdout.fnmatch_lines(["*limit $0.0300; $*spent*"])


def test_replies_whose_tokens_do_not_add_up_are_counted_per_arm_and_told(keyed: Lab) -> None:
    with FakeEndpoint(message=sensible, usage=REASONING_BESIDE) as endpoint:
        result = keyed.run("--prices=prices.json", f"--model-base-url={endpoint.url}", model="openai:m")
    calls, fault = TRIALS * CALLS_PER_TRIAL, "reasoning beside the completion"
    assert result.ret == 0 and len(endpoint.requests) == calls
    usage = keyed.meta()["usage"]
    assert (usage["tokens_in"], usage["tokens_out"]) == (100 * calls, 500 * calls)
    assert usage["usage_faults"] == {fault: calls}
    for arm in ("Control", "Treatment"):
        stated = [line["usage"]["usage_faults"] for line in keyed.lines(arm, "trial_result")]
        assert stated == [{fault: CALLS_PER_TRIAL}] * 2
    (check,) = (one for one in keyed.meta()["instrument"]["checks"] if one["name"] == "stated tokens")
    assert (check["level"], check["number"]) == ("WARN", 1.0)
    assert check["message"].startswith(
        "replies whose tokens do not add up: 8 of 8 in Control, 8 of 8 in Treat"
    )
    result.stdout.fnmatch_lines(
        ["16 replies report token counts that do not add up; the highest reading counts."]
    )


def test_usage_that_adds_up_is_not_spoken_of(keyed: Lab) -> None:
    with FakeEndpoint(message=sensible) as endpoint:
        result = keyed.run(f"--model-base-url={endpoint.url}", model="openai:m")
    assert "usage_faults" not in keyed.meta()["usage"]
    assert not any("usage_faults" in line["usage"] for line in keyed.lines(kind="trial_result"))
    (check,) = (one for one in keyed.meta()["instrument"]["checks"] if one["name"] == "stated tokens")
    assert check["level"] == "PASS"
    result.stdout.no_fnmatch_line("*do not add up*")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            Fault(422, body=json.dumps({"detail": [{"loc": ["body", "top_p"], "msg": "too large"}]})),
            "HTTP 422: body.top_p: too large",
        ),
        (Fault(200, body=json.dumps({"error": {"message": "no such thing", "code": 404}})), "no such thing"),
        (Fault(400, body="plain words"), "HTTP 400: plain words"),
    ],
)
def test_a_server_s_words_reach_the_terminal_and_the_record(keyed: Lab, fault: Fault, said: str) -> None:
    with FakeEndpoint(lambda _: fault) as endpoint:
        result = keyed.run("--concurrency=1", f"--model-base-url={endpoint.url}", model="openai:m")
    assert result.ret == ExitCode.FAILED
    assert said in result.stdout.str()


def test_an_error_inside_a_200_is_waited_for_and_asked_again(keyed: Lab) -> None:
    busy = Fault(200, body='{"error": {"message": "busy", "code": 503}}', headers={"retry-after-ms": "1"})
    with FakeEndpoint(lambda number: busy if number == 0 else None, message=sensible) as endpoint:
        result = keyed.run(f"--model-base-url={endpoint.url}", model="openai:m")
    assert result.ret == 0 and len(endpoint.requests) == TRIALS * CALLS_PER_TRIAL + 1
    assert not any(line["rejections"] for line in keyed.lines(kind="trial_result")), "no reply was of no use"
