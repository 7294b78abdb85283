"""Checks at the end of a session: in the summary, in the meta file, in the exit code, and on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness.stats
from harness.checks import CheckRunner, suite
from harness.errors import ExitCode
from harness.model import Check, Level
from harness.records import merge
from tests.support.instruments import filed, scored, sound
from tests.support.records import SMALL as DESIGN
from tests.support.records import finished, metadata, trials, write_file
from tests.support.sessions import CALLS_PER_TRIAL, SMALL, Lab

CONSTANT = SMALL.replace("Proposition,", "Proposition, Measure,").replace(
    'metrics=(Proposition("Courtesy", "The person stays courteous."),)',
    'metrics=(Measure("Silence", lambda transcript: 9),)',
)


def test_the_summary_has_a_line_for_what_is_wrong_and_none_for_what_is_right(lab: Lab) -> None:
    result = lab.run()
    result.stdout.fnmatch_lines(
        ["Validity checks: * of * passed; * WARN", "  WARN blocks, Courtesy: 2 blocks *"]
    )
    result.stdout.no_fnmatch_line("*PASS*saturation*")
    assert max(len(line) for line in result.outlines if line.startswith(("  WARN", "       "))) <= 80


def test_the_meta_file_has_every_check_and_the_analysis(lab: Lab) -> None:
    lab.run()
    meta = lab.meta()
    assert meta["instrument"]["worst"] == "WARN"
    names = {check["name"] for check in meta["instrument"]["checks"]}
    assert {"saturation", "order", "identical replies", "judge", "script"} <= names
    (comparison,) = meta["analysis"]["comparisons"]
    assert comparison["metric"] == "Courtesy"


def test_json_that_one_arm_puts_in_fences_is_read_recorded_and_counted(lab: Lab) -> None:
    """A model that thinks aloud and wraps its JSON: every reply is used, none is paid for again, arms are compared."""
    before = "<think>A lamp? Or should I ask?</think>"
    lab.watched.rewrite = lambda trial, text: (
        f"{before}\n```json\n{text}\n```<|im_end|>" if "Treatment" in trial else f"{before}{text}"
    )
    result = lab.run()
    result.assert_outcomes(passed=2)
    assert lab.watched.per_trial.total() == 4 * CALLS_PER_TRIAL
    for line in lab.lines(kind="trial_result"):
        replies = line["replies"]
        assert (
            replies["used"]
            == replies["with_thoughts"]
            == sum(replies["unwrapped"].values())
            == CALLS_PER_TRIAL
        )
        assert list(replies["unwrapped"]) == ["fence" if line["group"] == "Treatment" else "thoughts"]
        assert "should I ask" not in json.dumps(line)
    result.stdout.fnmatch_lines(
        ["  WARN unwrapped, Treatment: the JSON of 8 of 8 replies was wrapped in other*"]
    )


def test_a_rehearsal_is_marked(lab: Lab) -> None:
    lab.run(model="rehearsal").stdout.fnmatch_lines(["Validity checks (rehearsal): *"])
    assert lab.meta()["instrument"]["rehearsal"] is True


@pytest.mark.parametrize(("options", "code"), [((), ExitCode.OK), (("--strict-checks",), ExitCode.FAILED)])
def test_a_fail_fails_a_strict_session_and_no_other(
    lab: Lab, options: tuple[str, ...], code: ExitCode
) -> None:
    lab.write(CONSTANT)
    result = lab.run("--count=5", *options)
    result.assert_outcomes(passed=10)
    result.stdout.fnmatch_lines(
        ["  FAIL saturation, Silence: 100 % at 9 in Control, 100 % at 9 in Treatment *"]
    )
    assert result.ret == code


def test_a_warning_fails_no_session(lab: Lab) -> None:
    assert lab.run("--strict-instrument").ret == ExitCode.OK


def test_a_check_or_an_analysis_that_breaks_loses_no_results(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> list[Check]:
        raise ArithmeticError("a bug")

    monkeypatch.setattr(suite, "CHECKS", (broken,))
    monkeypatch.setattr(harness.stats, "analyse", broken)
    assert lab.run().ret == ExitCode.OK
    meta = lab.meta()
    assert meta["instrument"]["worst"] == "FAIL"
    assert meta["analysis"] == {"problem": "the analysis failed: ArithmeticError: a bug"}
    assert lab.artifact()["finished_all_experiments"] is True


def files(folder: Path) -> list[Path]:
    return [
        write_file(
            folder / f"exp_3_{group}.jsonl",
            metadata(group),
            [finished(trial, DESIGN) for trial in trials(DESIGN, groups=[group])],
        )
        for group in DESIGN.groups
    ]


def test_the_artifact_is_the_same_to_the_byte(tmp_path: Path) -> None:
    paths = files(tmp_path)
    (tmp_path / "with").mkdir()
    (plain,) = merge(paths, stats=harness.stats)
    (checked,) = merge(paths, tmp_path / "with", stats=harness.stats, examine=CheckRunner())
    assert checked.read_bytes() == plain.read_bytes()
    assert b'"instrument"' in checked.with_suffix(".meta.json").read_bytes()
    assert b'"instrument"' not in plain.with_suffix(".meta.json").read_bytes()


def test_harness_check_prints_every_check_of_every_run(lab: Lab) -> None:
    lab.run()
    done = lab.command("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("small, run ")
    assert "  WARN blocks, Courtesy: 2 blocks" in done.stdout
    assert "  PASS settings: the same in all arms [0]" in done.stdout
    (one,) = lab.results.glob("*Control*.jsonl")
    assert "in Treatment" not in lab.command("check", str(one)).stdout


def test_harness_check_strict_fails_on_a_fail(lab: Lab) -> None:
    lab.write(CONSTANT)
    lab.run("--count=5")
    assert lab.command("check", "results").returncode == 0
    assert lab.command("check", "results", "--strict").returncode == ExitCode.FAILED


def test_harness_check_without_files(lab: Lab) -> None:
    done = lab.command("check")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == ("ERROR: results: no such file or folder; expected results of a run.\n")


def test_levels_are_in_their_order_in_a_summary() -> None:
    from harness.checks import check_lines, described, examine

    run = filed(scored(sound(), "Divergence", lambda *_: 9))
    lines = list(check_lines(described(run, examine(run))))
    assert [line.split()[0] for line in lines if line.startswith(("  FAIL", "  WARN"))] == [
        Level.FAIL,
        Level.WARN,
    ]
