"""A run that somebody resumes in spite of changes: it says which, and nothing can be claimed from it."""

from __future__ import annotations

import json

import pytest

from harness.records import datasets
from harness.reports.run_report import select
from harness.reports.verdict import ClaimStrength, verdict
from harness.stats import analyse
from harness.stats.binary_events import BinaryEvent, count_events
from tests.support.sessions import Lab

PLAY = """
import pytest
from harness import Experiment, Group, Measure, Mode, Play, Sample, Script, TrialResult
from harness.gateway.calls import CallSite, Request

PROMPT = "Say a word."


async def play(plan, client):
    request = Request(({"role": "user", "content": f"{PROMPT} {plan.arm['tone']} {plan.proposal['id']}"},))
    reply = await client.complete(request, CallSite("say"))
    return TrialResult(plan.trial, (Sample("length", float(len(reply.text))),))


small = Experiment(
    name="small",
    groups=(Group("Control", settings={"tone": "plainly"}), Group("Treatment", settings={"tone": "warmly"})),
    script=Script("", proposals=tuple({"id": str(number)} for number in range(4))),
    metrics=(Measure("length"),),
    play=Play(play),
)


@pytest.mark.experiment(small)
def test_small(cell):
    cell.run()
"""
EDITED = PLAY.replace('"Say a word."', '"Say another word."')


def begun(lab: Lab) -> str:
    """A run whose Control is finished."""
    lab.write(PLAY)
    lab.run("-k", "Control").assert_outcomes(passed=1)
    lab.watched.forget()
    (line,) = lab.lines(kind="run_metadata")
    return str(line["run_id"])


def mixed(lab: Lab) -> str:
    """A finished run, Control by one prompt and Treatment by another."""
    run_id = begun(lab)
    lab.write(EDITED)
    lab.run(f"--resume={run_id}", "--accept-changes").assert_outcomes(passed=2)
    return run_id


def failed(lab: Lab) -> dict[str, str]:
    checks = lab.meta()["instrument"]["checks"]
    return {one["name"]: one["message"] for one in checks if one["level"] == "FAIL"}


def test_a_named_run_goes_on_in_spite_of_changes_and_says_so(lab: Lab) -> None:
    run_id = begun(lab)
    lab.write(EDITED)
    result = lab.run(f"--resume={run_id}", "--accept-changes")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            f"small: accepted changes in run {run_id}:",
            "  code.play: * then, * now",
            "    -PROMPT = 'Say a word.'",
            "    +PROMPT = 'Say another word.'",
            "  The run is mixed now: nothing can be claimed from it.",
            "MIXED: settings changed during this run. Nothing can be claimed from it.",
            "*No test: mixed run: code.play changed from*",
            "*FAIL mixed run: nothing can be claimed: code.play changed from*",
        ]
    )
    assert {trial.split("/")[1] for trial in lab.watched.calls} == {"Treatment"}, "Control is not paid again"
    assert {line["run_id"] for line in lab.lines(kind="run_metadata")} == {run_id}


def test_records_and_meta_file_have_the_differences_and_the_first_trial(lab: Lab) -> None:
    mixed(lab)
    first, second = (lab.lines(group, "run_metadata")[0] for group in ("Control", "Treatment"))
    assert "accepted_changes" not in first["settings"]
    (change,) = second["settings"]["accepted_changes"]
    codes = [first["settings"]["code"]["play"], second["settings"]["code"]["play"]]
    assert change["differences"] == {"code.play": codes}
    (accepted,) = lab.meta()["mixed"]["accepted_changes"]
    ended = {line["ended"]: line["trial"] for line in lab.lines("Treatment", "trial_result")}
    assert accepted["first_trial"] == ended[min(ended)]
    assert set(failed(lab)) >= {"mixed run", "code"}


def test_nothing_can_be_claimed_from_a_mixed_run(lab: Lab) -> None:
    mixed(lab)
    assert all(
        "statistical_test_results_vs_others" not in one for one in lab.artifact()["experiments"].values()
    )
    (data,) = datasets(sorted(lab.results.glob("*.jsonl")))
    (comparison,) = analyse(data).comparisons
    assert comparison.primary.difference is not None
    estimates = (comparison.primary, *comparison.secondary, comparison.generalising)
    assert {one.p for one in estimates} == {one.interval for one in estimates} == {None}
    assert comparison.p_adjusted is None
    (counted,) = count_events(data, [BinaryEvent("length", ">", 3)])
    assert counted.test.p is None
    (report,) = select([lab.results]).reports
    found = verdict(report)
    assert (found.standing, found.statements) == (ClaimStrength.MIXED, ())
    assert found.headline.startswith(
        "No verdict. This is a mixed run, from which nothing can be claimed: code.play changed from"
    )
    checked = lab.command("check", "results", "--strict")
    assert checked.returncode == 1
    assert "FAIL mixed run" in checked.stdout


def test_a_mixed_run_is_joined_only_by_its_name_and_stays_mixed(lab: Lab) -> None:
    run_id = begun(lab)
    lab.write(EDITED)
    lab.run(f"--resume={run_id}", "--accept-changes", "--max-calls=2")
    lab.watched.forget()
    result = lab.run("-k", "Control")
    result.stdout.fnmatch_lines(
        [f"small: starting a new run. The open run {run_id} is mixed*resumed only by name."]
    )
    lab.run(f"--resume={run_id}").assert_outcomes(passed=2)
    (meta,) = [json.loads(path.read_text()) for path in lab.results.glob(f"*{run_id}.meta.json")]
    assert len(meta["mixed"]["accepted_changes"]) == 1
    assert not meta["partial"]


def test_each_further_change_is_added(lab: Lab) -> None:
    run_id = begun(lab)
    for prompt in ("one", "two"):
        lab.write(PLAY.replace("Say a word.", prompt))
        lab.run(f"--resume={run_id}", "--accept-changes", "--max-calls=2")
    assert len(lab.meta()["mixed"]["accepted_changes"]) == 2


def test_a_lost_registry_does_not_make_a_mixed_run_clean(lab: Lab) -> None:
    run_id = mixed(lab)
    (lab.results / "runs.sqlite").unlink()
    lab.run(f"--resume={run_id}")
    assert "mixed run" in failed(lab)


def test_accepting_without_changes_mixes_nothing(lab: Lab) -> None:
    run_id = begun(lab)
    lab.run(f"--resume={run_id}", "--accept-changes").assert_outcomes(passed=2)
    assert lab.meta()["mixed"] is None
    assert "mixed run" not in failed(lab)


def test_changes_of_one_arm_are_accepted_too(lab: Lab) -> None:
    run_id = begun(lab)
    lab.write(PLAY.replace("plainly", "dryly"))
    lab.run(f"--resume={run_id}", "--accept-changes").assert_outcomes(passed=2)
    (accepted,) = lab.meta()["mixed"]["accepted_changes"]
    assert accepted["differences"] == {"group Control: own.tone": ["plainly", "dryly"]}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--resume={run}"], ["*Run {run} of small was started with other settings:", "*code.play*",
                              "*Or start a new run with --fresh, or continue this one with --accept-changes*"]),
        (["--resume={run}x", "--accept-changes"],
         ["*Run '{run}x' of small is not in the registry*Did you mean '{run}'?*"]),
        (["--accept-changes"], ["*Changes can be accepted for a named run only*"]),
    ],
)  # fmt: skip
def test_other_ways_to_resume_are_refused_before_any_call(
    lab: Lab, options: list[str], expected: list[str]
) -> None:
    run_id = begun(lab)
    lab.write(EDITED)
    result = lab.run(*(one.format(run=run_id) for one in options))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([one.format(run=run_id) for one in expected])
    assert lab.watched.calls == []


def test_the_command_line_takes_it_too(lab: Lab) -> None:
    run_id = begun(lab)
    lab.write(EDITED)
    done = lab.command("run", "test_small.py", "--model=rehearsal", f"--resume={run_id}", "--accept-changes")
    assert done.returncode == 0, done.stdout
    (accepted,) = lab.meta()["mixed"]["accepted_changes"]
    assert {"code.play", "model"} <= accepted["differences"].keys()
