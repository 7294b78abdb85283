"""Sessions that their budget stops, and the same command again."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from harness.errors import ExitCode
from harness.gateway.gateway import Gateway
from tests.support.endpoint import FakeEndpoint, Fault
from tests.support.sessions import CALLS_PER_TRIAL, Lab

TRIALS = 4
ALL = TRIALS * CALLS_PER_TRIAL


def kinds(lab: Lab) -> Counter[str]:
    return Counter(line["type"] for line in lab.lines() if line["type"] != "run_metadata")


def test_a_session_stops_before_the_call_that_is_too_many_and_the_same_command_goes_on(lab: Lab) -> None:
    result = lab.run("--max-calls=9", "--concurrency=1")
    assert result.ret == ExitCode.BUDGET == 6
    result.stdout.fnmatch_lines(["*budget of this session is used up: limit 9 calls; 9 calls spent*"])
    assert len(lab.watched.calls) == 9
    assert kinds(lab)["trial_failure"] == 0
    assert lab.meta()["partial"] is True

    result = lab.run("--max-calls=100")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*resuming run*"])
    assert len(lab.watched.calls) == ALL  # what was answered is not asked again
    assert kinds(lab) == {"trial_result": TRIALS}
    assert lab.artifact()["finished_all_experiments"] is True


def test_in_steps_of_three_calls_the_run_ends_as_in_one(lab: Lab) -> None:
    codes = [lab.run("--max-calls=3").ret for _ in range(6)]
    assert codes == [6, 6, 6, 6, 6, 0]  # 3, 3, 3, 3, 3, 1
    assert len(lab.watched.calls) == ALL
    in_steps = lab.artifacts[0].read_bytes()
    assert lab.run("--fresh").ret == 0
    assert lab.artifacts[-1].read_bytes() == in_steps


def test_tokens_are_limited_too_and_the_stop_says_that_it_is_early(lab: Lab) -> None:
    result = lab.run("--max-tokens=5000", "--concurrency=1")
    assert result.ret == ExitCode.BUDGET
    result.stdout.fnmatch_lines(["*limit 5,000 tokens;*it stops early*a larger limit with --max-tokens*"])
    assert 0 < len(lab.watched.calls) < ALL


def test_a_call_in_flight_at_the_stop_is_awaited_and_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call of the later case lasts until the session waits for it, ended by a call too large for the budget."""
    waiting, drain = asyncio.Event(), Gateway.drain
    slow: list[str] = []
    in_flight: list[int] = []

    async def draining(gateway: Gateway, timeout: float) -> bool:  # noqa: ASYNC109
        in_flight.append(gateway.in_flight)
        waiting.set()
        return await drain(gateway, timeout)

    async def before(trial: str, number: int) -> None:
        if "/Treatment/" in trial and not slow:
            slow.append(trial)
            await asyncio.wait_for(waiting.wait(), 60)

    lab.watched.before = before
    monkeypatch.setattr(Gateway, "drain", draining)
    monkeypatch.setattr(
        "harness.gateway.budget.prompt_bound", lambda _: 10**9 if len(lab.watched.calls) >= 5 else 10
    )
    result = lab.run("--max-tokens=1000000")
    assert result.ret == ExitCode.BUDGET
    assert in_flight[0] >= 1, "the call was not in flight when the session ended"
    sent = len(lab.watched.calls)
    assert slow and 5 <= sent < ALL
    lab.run()
    assert len(lab.watched.calls) == ALL  # the slow one was not asked again


def test_a_cost_limit_without_a_price_is_refused_before_the_first_call(lab: Lab) -> None:
    result = lab.run("--max-cost=1")
    assert result.ret == ExitCode.USAGE
    result.stderr.fnmatch_lines(["*No price is known for the model 'watched-1'*--max-calls*"])
    assert lab.watched.calls == []


def test_a_rehearsal_costs_nothing(lab: Lab) -> None:
    assert lab.run("--max-cost=0.000001", model="rehearsal").ret == 0


def test_dollars_are_limited_by_the_users_own_price(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    (lab.path / "prices.json").write_text('{"watched-1": {"input": 10, "output": 100}}')
    monkeypatch.setenv("HARNESS_PRICES", str(lab.path / "prices.json"))
    result = lab.run("--max-cost=0.15", "--concurrency=1")
    assert result.ret == ExitCode.BUDGET
    result.stdout.fnmatch_lines(["*limit $0.1500; $0.*spent*it stops early*"])


def test_every_bad_bound_is_named_at_once(lab: Lab) -> None:
    result = lab.run("--rpm=0", "--tpm=-1", "--max-cost=nan", "--max-calls=0")
    assert result.ret == ExitCode.USAGE
    said = result.stderr.str() + result.stdout.str()
    for expected in (
        "--rpm 0: expected a whole number from 1, or PROVIDER=N, such as openai=500.",
        "--tpm -1: expected a whole number from 1, or PROVIDER=N",
        "--max-cost nan: expected more than 0.",
        "--max-calls 0: expected 1 or more.",
    ):
        assert expected in said


def test_limits_and_budgets_make_no_other_run(lab: Lab) -> None:
    lab.run("--max-calls=1", "--rpm=5000", "--tpm=10000000")
    lab.run("--rpm=4000")
    assert len({line["run_id"] for line in lab.lines(kind="run_metadata")}) == 1


def test_every_attempt_counts_as_a_call(lab: Lab) -> None:
    lab.watched.text = "never any JSON"
    result = lab.run("--max-calls=3", "--concurrency=1")
    assert result.ret == ExitCode.BUDGET and len(lab.watched.calls) == 3


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_can_only_repeat_ends_the_run_at_its_first_occurrence(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-a-test")
    with FakeEndpoint(lambda _: Fault(status, "no")) as endpoint:
        result = lab.run("--concurrency=1", f"--model-base-url={endpoint.url}", model="openai:gpt-none")
    assert result.ret == ExitCode.FAILED
    assert len(endpoint.requests) == 1
    result.stdout.fnmatch_lines([f"*Model openai:gpt-none at http://127.0.0.1*: HTTP {status}, *"])
    assert "a-key-of-a-test" not in result.stdout.str()
