"""Cases tried again and commands given again: what was finished stays, and nothing is played or counted twice."""

from __future__ import annotations

import fcntl
from collections import Counter
from pathlib import Path

import pytest

from harness.errors import ModelCallError
from tests.support.sessions import CALLS_PER_TRIAL, SMALL, Lab, load

UNLUCKY = "small/Control/rep1/panel0/proposal1"


def fail(lab: Lab, trial: str, tries: int) -> None:
    """Make the first ``tries`` tries of ``trial`` fail, two calls each: both people of its step ask at once."""
    seen: Counter[str] = Counter()

    async def before(at: str, number: int) -> None:
        seen[at] += 1
        if at == trial and seen[at] <= 2 * tries:
            raise ModelCallError("the model is out of order")

    lab.watched.before = before


def test_a_rerun_plays_only_what_is_not_finished(lab: Lab) -> None:
    fail(lab, UNLUCKY, tries=1)
    result = lab.run("--reruns", "2")
    assert result.ret == 0
    assert result.parseoutcomes()["rerun"] == 1
    assert result.parseoutcomes()["passed"] == 2
    assert lab.watched.per_trial.pop(UNLUCKY) == CALLS_PER_TRIAL + 2
    others = {trial: count for trial, count in lab.watched.per_trial.items() if trial != UNLUCKY}
    assert len(others) == 3
    assert set(others.values()) == {CALLS_PER_TRIAL}

    assert lab.artifact()["finished_all_experiments"] is True
    courtesy = [group["results"]["Courtesy"] for group in lab.artifact()["experiments"].values()]
    assert [len(values) for values in courtesy] == [4, 4]
    meta = lab.meta()
    assert (meta["trials"]["attempts"], meta["trials"]["retried"]) == (5, {UNLUCKY: 2})
    (failure,) = meta["failures"]
    assert (failure["trial"], failure["recovered"]) == (UNLUCKY, True)
    assert "the model is out of order" in failure["reason"]
    result.stdout.fnmatch_lines(["Cases: 2 passed, 0 failed, 1 rerun, 2 total*"])


def test_each_try_is_a_line_of_the_same_file(lab: Lab) -> None:
    fail(lab, UNLUCKY, tries=2)
    lab.run("--reruns", "2")
    lines = [line for line in lab.lines("Control") if line.get("trial") == UNLUCKY]
    assert [(line["type"], line["attempt"]) for line in lines] == [
        ("trial_failure", 1),
        ("trial_failure", 2),
        ("trial_result", 3),
    ]
    assert len(list(lab.results.glob("*_Control_*.jsonl"))) == 1


def test_a_trial_that_never_succeeds_fails_its_case_and_costs_no_other_its_result(lab: Lab) -> None:
    fail(lab, UNLUCKY, tries=99)
    result = lab.run("--reruns", "2")
    assert result.ret == 1
    outcomes = result.parseoutcomes()
    assert (outcomes["failed"], outcomes["passed"], outcomes["rerun"]) == (1, 1, 2)
    result.stdout.fnmatch_lines(
        [
            "*small-Control-1: 1 of 2 trials did not finish.",
            f"*{UNLUCKY}: *the model is out of order*",
            "*Finished trials are kept. To run only these, rerun the same command*",
        ]
    )
    artifact, meta = lab.artifact(), lab.meta()
    assert artifact["finished_experiments"] == ["Treatment"]
    assert len(artifact["experiments"]["Control"]["results"]["Courtesy"]) == 2
    assert meta["partial"] is True
    (outstanding,) = meta["trials"]["outstanding"]["Control"]
    assert outstanding["trial"] == UNLUCKY
    assert outstanding["reason"].startswith("failed 3 times; the last: ")
    assert "Traceback" not in result.stdout.str()


def test_the_same_command_again_plays_only_what_is_missing(lab: Lab) -> None:
    fail(lab, UNLUCKY, tries=1)
    assert lab.run().ret == 1
    lab.watched.forget()
    result = lab.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["small: resuming run * with 3 finished trials."])
    assert lab.watched.per_trial == {UNLUCKY: CALLS_PER_TRIAL}
    assert lab.meta()["partial"] is False
    assert lab.meta()["trials"]["attempts"] == 5


def test_a_finished_run_is_followed_by_a_new_one(lab: Lab) -> None:
    lab.run()
    lab.run().assert_outcomes(passed=2)
    first, second = lab.artifacts
    assert first.read_bytes() == second.read_bytes()
    assert len(lab.watched.calls) == 2 * 4 * CALLS_PER_TRIAL
    assert len({line["run_id"] for line in lab.lines()}) == 2


def test_fresh_begins_a_new_run_beside_the_open_one(lab: Lab) -> None:
    lab.run("-k", "Control")
    lab.run("--fresh").assert_outcomes(passed=2)
    partial, whole = lab.artifacts
    assert load(partial)["finished_all_experiments"] is False
    assert load(whole)["finished_all_experiments"] is True
    assert len(lab.watched.calls) == 6 * CALLS_PER_TRIAL


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--seed=7", "  seed: 0 then, 7 now"),
        ("--temperature=0.5", "  temperature: None then, 0.5 now"),
        ("--mode=long", "  mode: 'full' then, 'long' now"),
    ],
)
def test_other_settings_are_another_run_and_resume_says_which(lab: Lab, option: str, line: str) -> None:
    lab.run("-k", "Control")
    run_id = lab.lines(kind="run_metadata")[0]["run_id"]
    lab.watched.forget()
    result = lab.run(f"--resume={run_id}", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            f"ERROR: Run {run_id} of small was started with other settings:",
            line,
            "Restore them. Or start a new run with --fresh, or continue this one with --accept-changes: *",
        ]
    )
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert lab.watched.calls == []
    lab.run(option, "-k", "Control").assert_outcomes(passed=1, deselected=1) if "long" not in option else None


def test_resume_names_a_run_and_goes_on_with_it(lab: Lab) -> None:
    lab.run("-k", "Control")
    run_id = lab.lines(kind="run_metadata")[0]["run_id"]
    lab.run("--fresh", "-k", "Control")
    lab.run(f"--resume={run_id}").assert_outcomes(passed=2)
    whole = [path for path in lab.artifacts if load(path)["finished_all_experiments"]]
    assert [run_id in path.name for path in whole] == [True]


def test_an_unknown_run_is_one_error(lab: Lab) -> None:
    lab.run()
    result = lab.run("--resume=nonesuch")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: Run 'nonesuch' of small is not in the registry; expected one of *"])


def test_a_run_that_a_live_session_works_on_is_refused(lab: Lab) -> None:
    lab.run("-k", "Control")
    run_id = lab.lines(kind="run_metadata")[0]["run_id"]
    with Path(lab.results, ".locks", run_id).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = lab.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: Run {run_id} is in use by another session*--fresh*"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_more_repetitions_widen_the_open_run(lab: Lab) -> None:
    lab.run("-k", "Control", "--count=1")
    lab.watched.forget()
    lab.run("--count=2").assert_outcomes(passed=4)
    assert len(lab.watched.calls) == 6 * CALLS_PER_TRIAL
    assert lab.meta()["partial"] is False
    courtesy = lab.artifact()["experiments"]["Control"]["results"]["Courtesy"]
    assert len(courtesy) == 8


def test_a_torn_last_line_costs_only_its_trial(lab: Lab) -> None:
    fail(lab, "small/Treatment/rep1/panel0/proposal0", tries=99)
    lab.run()
    (path,) = lab.results.glob("*_Control_*.jsonl")
    torn = path.read_bytes()[:-40]
    path.write_bytes(torn)
    lab.watched.before = None
    lab.watched.forget()
    result = lab.run()
    result.assert_outcomes(passed=2)
    # What the torn line told is told again from the journal: nothing of it is asked again.
    assert set(lab.watched.per_trial) == {"small/Treatment/rep1/panel0/proposal0"}
    assert lab.meta()["partial"] is False
    problems = [problem for file in lab.meta()["files"] for problem in file["problems"]]
    assert any("torn" in problem for problem in problems)
    assert path.read_bytes() == torn


def test_reruns_go_by_the_marker_too(lab: Lab) -> None:
    fail(lab, UNLUCKY, tries=1)
    lab.write(SMALL.replace("@pytest.mark.exp", "@pytest.mark.flaky(reruns=1)\n@pytest.mark.exp"))
    assert lab.run().parseoutcomes()["rerun"] == 1


def test_a_case_that_overlaps_is_not_disturbed_by_anothers_rerun(lab: Lab) -> None:
    """A case with a teardown enters the run later; what other cases have finished stays finished."""
    fail(lab, UNLUCKY, tries=1)
    late = "@pytest.fixture\ndef late(group, request):\n    if group.name == 'Treatment':\n"
    late += "        request.addfinalizer(lambda: None)\n"
    lab.write(SMALL.replace("(cell)", "(cell, late)") + late)
    lab.run("--reruns=1", "--mode=long")
    assert lab.watched.per_trial.pop(UNLUCKY) == CALLS_PER_TRIAL + 2
    assert set(lab.watched.per_trial.values()) <= {CALLS_PER_TRIAL, CALLS_PER_TRIAL + 2}
    assert len(lab.watched.calls) == 12 * CALLS_PER_TRIAL + 2
