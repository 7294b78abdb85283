"""F41: repetitions are added until the result looks right.

Under a locked plan more repetitions, another run, and runs merged beyond the planned N are refused; with --exploratory
they are made, and record, meta file and summary call them so. Every look is on record.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import ModelCallError
from tests.support.sessions import LIGHT, SMALL, Lab, load

Command = Callable[..., tuple[int, str]]
LOCK = ("plan", "lock", "--exp=small", "--path=test_small.py", "--model=watched", "--primary-metric=Courtesy")


@pytest.fixture
def command(lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``harness`` with some words, in the lab's folder and this process: exit code, and all that was said."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
        sys.modules.pop("test_small", None)
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out + said.err

    return run


def metas(lab: Lab) -> list[dict[str, Any]]:
    return [load(path.with_suffix(".meta.json")) for path in lab.artifacts]


def the_plan(lab: Lab) -> Path:
    (path,) = (lab.results / "plans").glob("*.json")
    return path


def test_a_run_as_planned_says_so(lab: Lab, command: Command) -> None:
    code, said = command(*LOCK)
    assert code == 0 and "2 trials per arm" in said, said
    assert max(len(line) for line in said.splitlines() if not line.startswith("  file")) <= 80
    result = lab.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["Plan *2 trials per arm, primary Courtesy*", "No deviation from the plan."])
    meta = lab.meta()
    assert meta["plan"]["deviations"] == [] and meta["looks"] == 1 and not meta["exploratory"]
    adjusted = {one["metric"]: one["adjustment"] for one in meta["analysis"]["comparisons"]}
    assert adjusted["Courtesy"] == "none: the primary metric, named beforehand"
    sealed = json.loads(the_plan(lab).read_text())["sha256"]
    (first, _) = lab.lines(kind="run_metadata")
    assert (first["plan"], first["exploratory"]) == (sealed, False)
    assert "plan" not in first["settings"]
    assert command("plan", "check", "results")[0] == 0


def test_more_reps_than_planned_are_refused_before_anything_is_paid(lab: Lab, command: Command) -> None:
    command(*LOCK)
    result = lab.run("--mode=full", "--count=2")
    assert result.ret == 4 and not lab.watched.calls
    result.stderr.fnmatch_lines(["*2 reps where 1 are planned*--exploratory*"])


def test_another_run_after_the_planned_one_is_refused(lab: Lab, command: Command) -> None:
    command(*LOCK)
    lab.run().assert_outcomes(passed=2)
    lab.watched.forget()
    for option in ((), ("--fresh",)):
        result = lab.run(*option)
        assert result.ret == 4 and not lab.watched.calls
        result.stderr.fnmatch_lines(["*another run after *, but the plan has one*"])


def test_a_planned_run_that_was_cut_off_goes_on(lab: Lab, command: Command) -> None:
    command(*LOCK)
    lab.watched.error = ModelCallError("down", fatal=True)
    assert lab.run().ret != 0
    lab.watched.error = None
    lab.run().assert_outcomes(passed=2)
    assert lab.meta()["plan"]["deviations"] == []


def test_with_exploratory_they_are_made_and_labelled(lab: Lab, command: Command) -> None:
    command(*LOCK)
    lab.run().assert_outcomes(passed=2)
    (run_id,) = {line["run_id"] for line in lab.lines()}
    result = lab.run("--count=2", "--exploratory", f"--resume={run_id}")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["EXPLORATORY: *", "DEVIATION: reps: 1 planned, 2 found.", "*2 of 1 planned."]
    )
    meta = lab.meta()
    assert meta["exploratory"] and meta["looks"] == 2
    assert meta["plan"]["deviations"] == ["reps: 1 planned, 2 found", "looks: 1 planned, 2 taken"]
    code, said = command("plan", "check", "results")
    assert code == 1 and "reps: 1 planned, 2 found" in said


def test_runs_are_not_merged_beyond_the_planned_n(lab: Lab, command: Command) -> None:
    command(*LOCK)
    lab.run().assert_outcomes(passed=2)
    lab.run("--fresh", "--exploratory").assert_outcomes(passed=2)
    files = [str(path) for path in sorted(lab.results.glob("*.jsonl"))]
    code, said = command("merge", *files, "--force", "--out=both.json")
    assert code == 4 and "where one is planned" in said and not (lab.path / "both.json").exists()
    code, said = command("merge", *files, "--force", "--exploratory", "--out=both.json")
    assert code == 0, said
    meta = load(lab.path / "both.meta.json")
    assert meta["exploratory"] and "runs: 1 planned, 2 merged" in meta["plan"]["deviations"]


def test_a_plan_after_the_first_paid_call_is_refused(lab: Lab, command: Command) -> None:
    lab.run().assert_outcomes(passed=2)
    code, said = command(*LOCK)
    assert code == 4 and "has paid calls of these very settings" in said
    assert not (lab.results / "plans").exists() or not list((lab.results / "plans").glob("*.json"))


def test_calls_without_a_record_count_too(lab: Lab, command: Command) -> None:
    async def fail(_trial: str, number: int) -> None:
        if number > 1:
            raise ModelCallError("down", fatal=True)

    lab.watched.before = fail
    lab.run("--concurrency=1")
    for path in lab.results.glob("*.jsonl"):
        path.unlink()
    code, said = command(*LOCK)
    assert code == 4 and "has paid calls" in said


def test_a_rehearsal_does_not_count(lab: Lab, command: Command) -> None:
    lab.run(model="rehearsal").assert_outcomes(passed=2)
    code, said = command(*LOCK)
    assert code == 0, said
    lab.run("--count=3", model="rehearsal").assert_outcomes(passed=6)
    assert [meta["plan"] for meta in metas(lab)] == [None, None], (
        "a rehearsal is held to no plan of another model"
    )
    assert [meta["looks"] for meta in metas(lab)] == [0, 0]


def test_a_plan_that_was_changed_later_holds_no_more(lab: Lab, command: Command) -> None:
    command(*LOCK)
    path = the_plan(lab)
    data = json.loads(path.read_text())
    data["n"]["reps"], data["n"]["trials_per_arm"] = 9, 18
    path.write_text(json.dumps(data))
    result = lab.run()
    assert result.ret == 4 and not lab.watched.calls
    result.stderr.fnmatch_lines(["*the plan was changed after it was locked*"])
    result = lab.run("--exploratory")
    result.stdout.fnmatch_lines(["EXPLORATORY: *", "DEVIATION: plan changed after it was locked: *"])


def test_other_settings_are_named_and_a_partial_look_counts(lab: Lab, command: Command) -> None:
    command(*LOCK)
    lab.run("--seed=5", "-k", "Control").assert_outcomes(passed=1)
    found = lab.meta()["plan"]["deviations"]
    assert "setting seed: 0 planned, 5 found" in found and "Treatment: 2 trials planned, 0 finished" in found
    lab.run("--seed=5").assert_outcomes(passed=2)
    assert "looks: 1 planned, 2 taken" in lab.meta()["plan"]["deviations"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--primary-metric=Nonsense",), "--primary-metric 'Nonsense': small has no such metric"),
        (("--sesoi=0",), "--sesoi 0: expected more than 0 points"),
        (("--n=3",), "--n 3: expected whole reps of 1 panels × 2 proposals, such as 2 trials per arm"),
        (("--n=4", "--count=3"), "--n 4 and --count 3: expected whole reps"),
        (("--exp=large",), "--exp 'large': no such experiment"),
    ],
)
def test_what_makes_no_plan_is_refused(lab: Lab, command: Command, words: tuple[str, ...], text: str) -> None:
    code, said = command(*LOCK, *words)
    assert code == 4 and text in said and "Traceback" not in said


def test_n_is_counted_in_trials_per_arm(lab: Lab, command: Command) -> None:
    lab.write(SMALL)
    code, said = command(*LOCK, "--n=6", "--out=plan.json", "--exclusions=trials with a refusal")
    assert code == 0 and "3 reps" in said and "trials with a refusal" in said
    assert json.loads((lab.path / "plan.json").read_text())["n"]["trials_per_arm"] == 6
    assert command("plan", "show", "plan.json")[1].startswith("Plan of small: ")
