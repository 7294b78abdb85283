"""A resumed trial whose requests are no longer those in its journal fails with the difference, before it pays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.test_code_changes import as_before_code_was_recorded
from tests.support.sessions import Lab, load

PLAY = """
import asyncio
import itertools
import pathlib

import pytest
from harness import Experiment, Group, Measure, Play, Sample, Script, TrialResult
from harness.gateway.calls import CallSite, Request

HERE = pathlib.Path(__file__).parent


def ask(client, text, kind="say"):
    return client.complete(Request(({{"role": "user", "content": text}},)), CallSite(kind))


async def play(plan, client):
    word = (HERE / "prompt.txt").read_text()
    {body}
    return TrialResult(plan.trial, (Sample("length", 1.0),))


small = Experiment(
    name="small",
    groups=(Group("Control"),),
    script=Script("", proposals=({{"id": "a"}},)),
    metrics=(Measure("length"),),
    play=Play(play{options}),
)


@pytest.mark.experiment(small)
def test_small(cell):
    cell.run()
"""
TURNS = """for turn in range(4):
        await ask(client, f"{word} Turn {turn}.")"""
CAUGHT = """for turn in range(4):
        try:
            await ask(client, f"{word} Turn {turn}.")
        except Exception:
            pass"""
TOGETHER = """await asyncio.gather(*(ask(client, f"{word} Turn {turn}.") for turn in range(4)))"""
REJECTING = """for turn in range(2):
        reply = await ask(client, "First.")
        await ask(client, f"You said {reply.text} {word}")
        if turn == 0:
            client.reject(reply, "useless")"""


@pytest.fixture
def interrupted(lab: Lab) -> Lab:
    """A lab whose first sessions stop after some calls of the only trial."""
    (lab.path / "prompt.txt").write_text("Be kind.")
    return lab


def write(lab: Lab, body: str, options: str = "") -> None:
    lab.write(PLAY.format(body=body, options=options))


def edit(lab: Lab, text: str = "Be rude.") -> None:
    Path(lab.path / "prompt.txt").write_text(text)
    lab.watched.forget()


@pytest.mark.parametrize("body", [TURNS, CAUGHT])
def test_a_file_that_changed_before_the_resume_stops_the_trial_unpaid(interrupted: Lab, body: str) -> None:
    lab = interrupted
    write(lab, body)
    lab.run("--max-calls=2")
    edit(lab)
    result = lab.run("--reruns=1")
    assert lab.watched.calls == []
    (failure,) = lab.lines(kind="trial_failure")
    assert failure["kind"] == "ChangedRequestError"
    assert failure["reason"].startswith(
        "Call 1 of kind 'say' differs from the one in the journal, so it was not sent:"
    )
    assert "    -Be kind. Turn 0.\n    +Be rude. Turn 0.\n" in failure["reason"]
    result.stdout.fnmatch_lines(["*-Be kind. Turn 0.*", "*+Be rude. Turn 0.*", "*deterministic=False*"])
    edit(lab, "Be kind.")
    lab.run().assert_outcomes(passed=1)
    assert len(lab.watched.calls) == 2, "put back, it resumes where it was"


def test_a_later_call_is_compared_too(interrupted: Lab) -> None:
    lab = interrupted
    write(lab, 'await ask(client, "Hello.")\n    ' + TURNS)
    lab.run("--max-calls=3")
    edit(lab)
    lab.run()
    (failure,) = lab.lines(kind="trial_failure")
    assert failure["reason"].startswith("Call 2 of kind 'say'")
    assert lab.watched.calls == []


@pytest.mark.parametrize(
    ("body", "options", "first", "rest"),
    [
        (TURNS, "", 2, 2),
        (TOGETHER, "", 2, 2),
        (TURNS.replace("{word}", "{next(NUMBERS)}"), ", deterministic=False", 2, 4),
        (REJECTING, "", 3, 3),
    ],
)
def test_trials_that_repeat_themselves_or_vary_by_declaration_are_finished(
    interrupted: Lab, body: str, options: str, first: int, rest: int
) -> None:
    lab = interrupted
    numbers = (
        "HERE = pathlib.Path(__file__).parent\nNUMBERS = itertools.count(hash(__import__('time').time_ns()))"
    )
    source = PLAY.format(body=body, options=options).replace("HERE = pathlib.Path(__file__).parent", numbers)
    lab.write(source)
    lab.run(f"--max-calls={first}")
    lab.watched.forget()
    lab.run().assert_outcomes(passed=1)
    assert len(lab.watched.calls) == rest
    assert lab.lines(kind="trial_failure") == []


def test_requests_that_vary_between_the_tries_of_one_session_are_no_change(interrupted: Lab) -> None:
    lab = interrupted
    body = """await ask(client, f"{word} {next(NUMBERS)}")
    if not (HERE / "seen").exists():
        (HERE / "seen").touch()
        raise ValueError("once")"""
    numbers = "HERE = pathlib.Path(__file__).parent\nNUMBERS = itertools.count()"
    lab.write(PLAY.format(body=body, options="").replace("HERE = pathlib.Path(__file__).parent", numbers))
    lab.run("--reruns=1").stdout.fnmatch_lines(["Cases: 1 passed, 0 failed, 1 rerun, 1 total."])
    assert len(lab.watched.calls) == 2


def test_accepted_changes_send_the_new_requests(interrupted: Lab) -> None:
    lab = interrupted
    write(lab, TURNS)
    lab.run("--max-calls=2")
    write(lab, TURNS.replace("Turn", "Round"))
    lab.watched.forget()
    (journal,) = (lab.results / "journal").glob("*.sqlite")
    run_id = journal.stem
    lab.run(f"--resume={run_id}", "--accept-changes").assert_outcomes(passed=1)
    assert len(lab.watched.calls) == 4


def test_the_session_ends_so_that_no_other_trial_is_paid_for_under_the_new_version(interrupted: Lab) -> None:
    lab = interrupted
    lab.write(
        PLAY.format(body=TURNS, options="").replace(
            '({"id": "a"},)', 'tuple({"id": str(n)} for n in range(6))'
        )
    )
    lab.run("--max-calls=2", "--concurrency=1")
    edit(lab)
    lab.run("--concurrency=1")
    assert lab.watched.calls == []
    (check,) = [one for one in lab.meta()["instrument"]["checks"] if one["name"] == "changed requests"]
    assert check["level"] == "PASS"


def test_trials_that_finish_meanwhile_fail_a_check(interrupted: Lab) -> None:
    lab = interrupted
    body = TURNS.replace("range(4)", 'range(4 if plan.proposal["id"] == FIRST else 1)')
    source = PLAY.format(body=body, options="").replace('({"id": "a"},)', '({"id": "a"}, {"id": "b"})')
    for first in "ab":  # the one that starts first, by the seed
        lab.write(source.replace("FIRST", repr(first)))
        lab.run("--max-calls=2", "--concurrency=1", "--fresh")
        if not lab.lines(kind="trial_result"):
            break
    edit(lab)
    lab.run()
    checks = [one for path in lab.results.glob("*.meta.json") for one in load(path)["instrument"]["checks"]]
    (check,) = [one for one in checks if one["name"] == "changed requests"]
    assert (check["level"], check["number"]) == ("FAIL", 1)


def test_a_run_of_a_version_that_recorded_no_code_resumes_although_its_requests_differ(
    interrupted: Lab,
) -> None:
    lab = interrupted
    lab.write(PLAY.format(body=TURNS, options="").replace('({"id": "a"},)', '({"id": "a"}, {"id": "b"})'))
    lab.run("--max-calls=6", "--concurrency=1")
    as_before_code_was_recorded(lab)
    edit(lab)
    lab.run().assert_outcomes(passed=1)
    assert len(lab.watched.calls) == 4, "the unfinished trial begins again"
