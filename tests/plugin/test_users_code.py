"""What users' functions raise, and functions that do not return, cost their own sample or trial and nothing else."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.plugin.test_own_play import OWN
from tests.support.sessions import SMALL, Lab

HEAD = """
import asyncio, pytest, sys, time, unittest, warnings


class Odd(BaseException):
    pass


def fail(*_):
    {body}


async def child():
    {body}
"""
RAISING = {
    "exit": ("sys.exit(3)", "SystemExit: 3"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "generator": ("raise GeneratorExit", "GeneratorExit"),
    "cancelled": ("raise asyncio.CancelledError", "CancelledError"),
    "odd": ("raise Odd('x')", "Odd: x"),
    "skip": ("pytest.skip('too short')", "Skipped: too short"),
    "fail": ("pytest.fail('bad')", "Failed: bad"),
    "xfail": ("pytest.xfail('known')", "XFailed: known"),
    "pytest-exit": ("pytest.exit('bye')", "Exit: bye"),
    "skip-test": ("raise unittest.SkipTest('no')", "SkipTest: no"),
    "assert": ("assert 1 == 2, 'unequal'", "AssertionError: unequal"),
    "value": ("raise ValueError('text')", "ValueError: text"),
}
every_way = pytest.mark.parametrize(("body", "said"), RAISING.values(), ids=RAISING)
some_ways = pytest.mark.parametrize(
    ("body", "said"), [RAISING[one] for one in ("exit", "interrupt", "cancelled", "odd", "skip")]
)


def measured(body: str) -> str:
    source = SMALL.replace("Mode,", "Measure, Mode,").replace(
        'courteous."),)', 'courteous."), Measure("length", fail))'
    )
    return HEAD.format(body=body) + source


def samples(lab: Lab, metric: str) -> list[dict[str, Any]]:
    found = [sample for line in lab.lines(kind="trial_result") for sample in line["samples"]]
    return [sample for sample in found if sample["metric"] == metric]


@every_way
def test_a_metric_that_raises_costs_its_sample_and_fails_its_case(lab: Lab, body: str, said: str) -> None:
    lab.write(measured(body))
    result = lab.run()
    result.assert_outcomes(failed=2)
    assert result.ret == 1
    lengths = samples(lab, "length")
    assert [one["value"] for one in lengths] == [None] * 4
    assert {one["raised"] for one in lengths} == {True}
    assert all(one["reason"].startswith(f"The measure raised {said}") for one in lengths)
    assert all("in test_small.fail (test_small.py:" in one["reason"] for one in lengths)
    assert all(one["value"] is not None for one in samples(lab, "Courtesy"))
    result.stdout.fnmatch_lines(
        ["small-*-1: 2 samples are missing because a metric failed.", f"*raised {said}*"]
    )
    lab.watched.forget()
    again = lab.run()
    assert not lab.watched.calls, "the trials are kept"
    assert again.ret == 1, "an unchanged metric fails again"
    lab.write(measured("return 1.0"))
    lab.run().assert_outcomes(passed=2)
    assert not lab.watched.calls, "a metric that was mended is computed from the kept transcripts"
    assert lab.artifact()["experiments"]["Control"]["results"]["length"] == [1.0, 1.0]


def test_a_warning_that_is_an_error_costs_its_sample(lab: Lab) -> None:
    lab.write(measured("warnings.warn('odd')"))
    lab.run("-W", "error:odd").assert_outcomes(failed=2)
    assert "raised UserWarning: odd" in samples(lab, "length")[0]["reason"]


def test_a_metric_without_an_answer_is_missing_and_passes(lab: Lab) -> None:
    lab.write(measured("return None"))
    lab.run().assert_outcomes(passed=2)
    assert {one["value"] for one in samples(lab, "length")} == {None}


def test_an_asynchronous_metric_is_named_as_such(lab: Lab) -> None:
    lab.write(measured("return None").replace("def fail", "async def fail"))
    lab.run().assert_outcomes(failed=2)
    assert "the function is asynchronous" in samples(lab, "length")[0]["reason"]


@pytest.mark.parametrize("body", ["time.sleep(60)", "while True: pass"])
def test_a_metric_that_does_not_return_costs_its_sample(lab: Lab, body: str) -> None:
    lab.write(measured(body))
    result = lab.run("--function-timeout=0.1")
    result.assert_outcomes(failed=2)
    reasons = [one["reason"] for one in samples(lab, "length")]
    assert len(reasons) == 4 and all("did not return within 0.1 s" in one for one in reasons)
    assert all("test_small.fail (test_small.py:" in one for one in reasons)


@some_ways
def test_a_precondition_that_raises_costs_its_trial(lab: Lab, body: str, said: str) -> None:
    nudge = 'Group("Treatment", interventions=(Intervention("nudge", "Be kind.", functional=fail),))'
    lab.write(HEAD.format(body=body) + SMALL.replace('Group("Treatment")', nudge))
    result = lab.run()
    result.assert_outcomes(passed=1, failed=1)
    reasons = {line["reason"] for line in lab.lines(kind="trial_failure")}
    assert len(lab.lines(kind="trial_result")) == 2
    assert all(f"Intervention 'nudge': its functional precondition raised {said}" in one for one in reasons)


def played(body: str, play: str = "fail()") -> str:
    first = f"    if plan.trial.proposal == 0:\n        {play}\n    return TrialResult("
    return HEAD.format(body=body) + OWN.replace("    return TrialResult(", first)


@every_way
@pytest.mark.parametrize(
    "play", ["fail()", "await asyncio.gather(child(), child())"], ids=["play", "its-task"]
)
def test_a_play_that_raises_costs_its_trial(lab: Lab, body: str, said: str, play: str) -> None:
    lab.write(played(body, play))
    result = lab.run()
    result.assert_outcomes(passed=4, failed=2)
    failures = lab.lines(kind="trial_failure")
    assert len(failures) == 2 and len(lab.lines(kind="answer_result")) == 4
    assert all(said in one["reason"] for one in failures)


@some_ways
def test_a_provider_that_raises_costs_its_trial(lab: Lab, body: str, said: str) -> None:
    scope: dict[str, Any] = {}
    exec(HEAD.format(body=body), scope)

    async def before(trial: str, number: int) -> None:
        if trial.endswith("Control/rep1/panel0/proposal0"):
            await scope["child"]()

    lab.watched.before = before
    result = lab.run()
    result.assert_outcomes(passed=1, failed=1)
    (failure,) = lab.lines(kind="trial_failure")
    assert f"The provider raised {said}" in failure["reason"]


def test_a_play_that_waits_for_ever_is_given_up_with_its_line(lab: Lab) -> None:
    lab.write(
        played("await asyncio.Event().wait()".replace("await", "return"), "await asyncio.Event().wait()")
    )
    result = lab.run("--play-timeout=0.2")
    result.assert_outcomes(passed=4, failed=2)
    reasons = {line["reason"] for line in lab.lines(kind="trial_failure")}
    assert all(
        one.startswith("The play ran for 0.2 s without a model call (it was at test_small.py:")
        for one in reasons
    )


def test_a_play_that_ignores_its_cancellation_is_left_behind_and_pays_no_more(
    lab: Lab, monkeypatch: Any
) -> None:
    from harness.engines import play

    monkeypatch.setattr(play, "CANCEL_SECONDS", 0.1)
    body = "await stubborn(client)"
    lab.write(
        played("return", body)
        + """

async def stubborn(client):
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await client.complete(Request(messages=[{"role": "user", "content": "late"}]), CallSite("answer"))
"""
    )
    result = lab.run("--play-timeout=0.2")
    result.assert_outcomes(passed=4, failed=2)
    reasons = {line["reason"] for line in lab.lines(kind="trial_failure")}
    assert all("without a model call (it was at test_small.py:" in one for one in reasons)
    assert all("and ignored its cancellation: test_small.play" in one for one in reasons)
    late = sum("late" in str(request.messages) for request in lab.watched.requests)
    assert len(lab.watched.calls) == 6 + late and late == 2, "what it asks after its end is not sent"


def test_a_call_under_way_is_no_idle_play(lab: Lab) -> None:
    import asyncio

    async def before(trial: str, number: int) -> None:
        await asyncio.sleep(0.3)

    lab.watched.before = before
    lab.write(OWN)
    lab.run("--play-timeout=0.1").assert_outcomes(passed=6)


@pytest.mark.parametrize("body", ["while True: pass"])
def test_a_play_that_blocks_every_other_one_is_interrupted(lab: Lab, body: str) -> None:
    lab.write(played(body))
    result = lab.run("--function-timeout=0.5")
    result.assert_outcomes(passed=4, failed=2)
    reasons = {line["reason"] for line in lab.lines(kind="trial_failure")}
    assert all("The play blocked the event loop" in one and "test_small.play" in one for one in reasons)


def test_a_play_that_cannot_be_interrupted_ends_the_session_by_name(lab: Lab, monkeypatch: Any) -> None:
    from harness.runtime import loop

    monkeypatch.setattr(loop, "GRACE_SECONDS", 0.5)
    lab.write(played("time.sleep(6)"))
    result = lab.run("--function-timeout=0.5")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*test_small.play (test_small.py:*) blocks the event loop*asyncio.to_thread*"]
    )


def test_a_check_of_a_play_that_raises_is_said_before_the_first_trial(lab: Lab) -> None:
    lab.write(
        HEAD.format(body="sys.exit(3)") + OWN.replace("play=Play(play,", "play=Play(play, check=fail, calls=")
    )
    result = lab.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["*Experiment questions: The play's check raised SystemExit: 3, in test_small.fail*"]
    )
    assert not lab.watched.calls


def test_a_check_of_the_instrument_that_raises_loses_no_result(lab: Lab) -> None:
    lab.write(
        HEAD.format(body="sys.exit(3)")
        + OWN.replace("play=Play(play,", "play=Play(play, examine=fail, calls=")
    )
    lab.run().assert_outcomes(passed=6)
    checks = lab.meta()["instrument"]["checks"]
    (failed,) = [one for one in checks if "failed to run" in one["message"]]
    assert "The play's examine raised SystemExit: 3" in failed["message"]


def test_a_fixture_that_exits_is_an_error_of_its_case(lab: Lab) -> None:
    lab.write(HEAD.format(body="sys.exit(3)") + SMALL + "\n\n@pytest.fixture\ndef engine():\n    fail()\n")
    result = lab.run("-k", "Control")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*SystemExit: 3"])


@pytest.mark.parametrize("option", ["--function-timeout", "--play-timeout"])
@pytest.mark.parametrize("value", ["0", "-1", "nan"])
def test_a_time_limit_of_nothing_is_refused(lab: Lab, option: str, value: str) -> None:
    result = lab.run(f"{option}={value}")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*{option} {value}: expected more than 0 seconds, or inf."])


def test_one_ctrl_c_ends_a_session_that_a_play_blocks(lab: Lab) -> None:
    body = "import os; os.write(1, b'BLOCKED\\n'); time.sleep(60)"
    lab.write(played(body))
    session = lab.start("--model=rehearsal", "-s")
    assert session.stdout is not None
    for line in session.stdout:
        if "BLOCKED" in line:
            break
    session.send_signal(signal.SIGINT)
    said, _ = session.communicate(timeout=40)
    assert session.returncode == 2, said
    assert "blocks the event loop" in said
