"""Experiments that play their trials themselves: one case per trial, settings in the record, parts kept apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.errors import ModelCallError
from harness.model.design import RESERVED
from tests.support.sessions import SMALL, Lab

OWN = """
import pytest
from harness import Experiment, Group, Measure, Mode, Play, Sample, Script, TrialResult
from harness.gateway.calls import Request, CallSite


async def play(plan, client):
    tone, place = plan.arm["tone"], plan.settings["place"]
    prompt = f"In {place}, {tone}: {plan.proposal['prompt']}"
    reply = await client.complete(Request(messages=[{"role": "user", "content": prompt}]), CallSite("answer"))
    return TrialResult(plan.trial, (Sample("length", len(reply.text)),), details={"response_text": reply.text})


questions = Experiment(
    name="questions",
    groups=(Group("plain", settings={"tone": "plainly"}), Group("rude", settings={"tone": "rudely"})),
    script=Script(task="", proposals=tuple({"id": f"{kind}:one", "prompt": kind} for kind in ("sum", "poem", "map"))),
    metrics=(Measure("length"),),
    modes={"full": Mode(reps=1)},
    settings={"place": "Oslo"},
    play=Play(play, lambda plan: ({"answer": 1}, {"answer": 1}), record_type="answer_result", case_per_trial=True),
)


@pytest.mark.experiment(questions)
def test_questions(cell):
    cell.run()
"""


@pytest.fixture
def questions(lab: Lab) -> Lab:
    lab.write(OWN)
    return lab


def files(lab: Lab) -> dict[str, list[dict[str, Any]]]:
    return {
        path.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(lab.results.glob("*.jsonl"))
    }


def test_a_case_per_trial_and_a_file_per_cell(questions: Lab) -> None:
    questions.run("--count=2").assert_outcomes(passed=12)
    found = files(questions)
    assert len(found) == 4
    for name, (first, *rest) in found.items():
        assert first["place"] == "Oslo" and first["tone"] in ("plainly", "rudely")
        assert [one["type"] for one in rest] == ["answer_result"] * 3, name
        assert len({one["trial"] for one in rest}) == 3 and all(one["response_text"] for one in rest)
        assert f"{first['group']}_run{first['rep']}" in name
    assert len(questions.watched.calls) == 12
    groups = questions.artifact()["experiments"].values()
    assert [len(group["results"]["length"]) for group in groups] == [6, 6]
    assert not questions.meta()["partial"] and questions.meta()["trials"]["planned"] == 12


def test_ids_name_the_proposal(questions: Lab) -> None:
    result = questions.run("--count=2", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["*test_questions?questions-rude-poem:one-1-2?"])


def test_a_part_is_a_run_of_its_own(questions: Lab) -> None:
    questions.run("-k", "poem").assert_outcomes(passed=2)
    part = questions.meta()
    assert part["design"]["only"] == [1] and not part["partial"] and part["trials"]["planned"] == 2
    questions.run().assert_outcomes(passed=6)
    assert len(questions.watched.calls) == 8, "the part's replies are not the whole run's"
    assert {len(rest) for _, *rest in files(questions).values()} == {1, 3}


def test_arm_beside_arm(questions: Lab) -> None:
    questions.run("--count=2", "--concurrency=1").assert_outcomes(passed=12)
    trials = [call.split("/") for call in questions.watched.calls]
    pairs = [{trial[1] for trial in trials[place : place + 2]} for place in range(0, 12, 2)]
    assert pairs == [{"plain", "rude"}] * 6
    orders = [[trial[4] for trial in trials[start : start + 6 : 2]] for start in (0, 6)]
    assert sorted(orders[0]) == sorted(orders[1]) and "proposal0" in orders[0]


def test_nobody_takes_part(lab: Lab) -> None:
    lab.write(OWN[: OWN.index("    play=Play(")] + OWN[OWN.index(")\n\n\n@pytest.mark") :])
    lab.run().stdout.fnmatch_lines(["*has no population; expected one, or play=*"])


def test_a_metric_that_nobody_computes(lab: Lab) -> None:
    lab.write(
        SMALL.replace(
            '(Proposition("Courtesy", "The person stays courteous."),)', '(Measure("length"),)'
        ).replace("Mode,", "Mode, Measure,")
    )
    lab.run().stdout.fnmatch_lines(["*metric 'length' has no function; expected one, or play=*"])


def test_a_setting_with_the_name_of_a_common_fact_is_refused(lab: Lab) -> None:
    lab.write(OWN.replace('settings={"place": "Oslo"}', 'settings={"model": "Oslo", "place": "x"}'))
    lab.run().stdout.fnmatch_lines(["*a setting is called 'model', which every run has*"])


def test_a_setting_with_the_name_of_a_field_of_an_arm_points_to_the_field(lab: Lab) -> None:
    lab.write(SMALL.replace('Group("Treatment")', 'Group("Treatment", settings={"model": "openai:b"})'))
    lab.run().stdout.fnmatch_lines(["*Group 'Treatment'*expected Group(model=…) or another name.*"])


def test_proposals_without_ids_cannot_be_cases(lab: Lab) -> None:
    lab.write(OWN.replace('{"id": f"{kind}:one", ', "{"))
    lab.run().stdout.fnmatch_lines(["*3 proposals have no 'id'*"])


def test_every_common_fact_of_a_first_line_is_reserved(questions: Lab) -> None:
    questions.run()
    for first, *_ in files(questions).values():
        assert first.keys() - {"place", "tone"} <= RESERVED


def test_a_failed_trial_is_tried_again_alone(questions: Lab) -> None:
    failed: list[str] = []

    async def once(trial: str, number: int) -> None:
        if trial.endswith("rude/rep1/panel0/proposal1") and not failed:
            failed.append(trial)
            raise ModelCallError("not today")

    questions.watched.before = once
    outcomes = questions.run("--reruns=1").parseoutcomes()
    assert (outcomes["passed"], outcomes["rerun"]) == (6, 1)
    assert len(questions.watched.calls) == 7


def test_it_is_estimated(questions: Lab) -> None:
    result = questions.run("--estimate")
    result.stdout.fnmatch_lines(["*answer*3*"])


def test_it_runs_in_workers(questions: Lab) -> None:
    session = questions.start("-n2", "-p", "xdist", "--model=rehearsal")
    output, _ = session.communicate()
    assert "6 passed" in output
    assert {len(rest) for _, *rest in files(questions).values()} == {3}
