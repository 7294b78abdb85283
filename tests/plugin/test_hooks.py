"""Hooks that conftests implement: when they are called, and that one that raises costs nothing."""

from __future__ import annotations

import pytest

from tests.support.sessions import SMALL, Lab

WRITES = """
from pathlib import Path

import pytest
from harness import Check, Level

HERE = Path(__file__).parent / "seen.txt"


def note(text):
    with HERE.open("a") as file:
        print(text, file=file)


def pytest_harness_run_start(experiment, run_id):
    note(f"start {experiment} {run_id}")


def pytest_harness_call(call):
    note(f"call {call.trial}")


def pytest_harness_trial_finished(trial):
    note(f"trial {trial.trial}")


def pytest_harness_artifact_written(artifact, records):
    note(f"artifact {artifact.is_file()} {len(records)}")


def pytest_harness_checks(run):
    yield Check("mine", Level.PASS, f"{len(run.outcomes)} trials")


def pytest_harness_summary(terminalreporter):
    terminalreporter.write_line("SEEN")
"""
RAISES = """
def pytest_harness_run_start():
    raise LookupError("start")


def pytest_harness_call():
    raise LookupError("call")


def pytest_harness_trial_finished():
    raise SystemExit("trial")


def pytest_harness_artifact_written():
    import pytest
    pytest.exit("artifact")


def pytest_harness_checks(run):
    yield run.nothing


def pytest_harness_summary():
    raise LookupError("summary")
"""


def seen(lab: Lab) -> list[str]:
    path = lab.path / "seen.txt"
    return path.read_text().splitlines() if path.exists() else []


def test_every_hook_is_called_in_order(lab: Lab) -> None:
    lab.write(SMALL, conftest=WRITES)
    result = lab.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["SEEN"])
    first, *between, last = seen(lab)
    assert first.startswith("start small 2") and last == "artifact True 2"
    kinds = [line.split()[0] for line in between]
    assert (kinds.count("call"), kinds.count("trial"), len(kinds)) == (16, 4, 20)
    for trial in {line.split()[1] for line in between}:
        about = [line.split()[0] for line in between if line.split()[1] == trial]
        assert about == ["call"] * 4 + ["trial"]
    (mine,) = [one for one in lab.meta()["instrument"]["checks"] if one["name"] == "mine"]
    assert mine["message"] == "4 trials"


def test_hooks_that_raise_are_named_and_counted_and_cost_nothing(lab: Lab) -> None:
    lab.write(SMALL, conftest=f'{WRITES}\n\npytest_plugins = ["raises"]\n', raises=RAISES)
    result = lab.run()
    result.assert_outcomes(passed=2)
    assert result.ret == 0 and lab.artifact()["finished_all_experiments"] is True
    result.stdout.fnmatch_lines_random(
        [
            "SEEN",
            "HOOK FAILED: pytest_harness_run_start of raises raised LookupError: start; the run is not affected.",
            "HOOK FAILED: pytest_harness_call of raises raised LookupError: call (16 times); *",
            "HOOK FAILED: pytest_harness_trial_finished of raises raised SystemExit: trial (4 times); *",
            "HOOK FAILED: pytest_harness_artifact_written of raises raised Exit: artifact; *",
            "HOOK FAILED: pytest_harness_summary of raises raised LookupError: summary; *",
            "  FAIL checks of raises: pytest_harness_checks of raises raised AttributeError:*",
        ]
    )
    assert len(seen(lab)) == 22, "the other plugin's hooks are called all the same"
    assert {"mine", "checks of raises"} <= {one["name"] for one in lab.meta()["instrument"]["checks"]}


def test_under_xdist_hooks_are_called_in_the_process_that_was_started(lab: Lab) -> None:
    lab.write(SMALL, conftest=WRITES)
    process = lab.start("-n", "2")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert "SEEN" in out and len(seen(lab)) == 22


def test_an_estimate_calls_the_checks_alone(lab: Lab) -> None:
    lab.write(SMALL, conftest=WRITES)
    assert lab.run("--estimate").ret == 0
    assert seen(lab) == []


@pytest.mark.parametrize("options", [[], ["-m", "not experiment"]])
def test_a_session_without_experiments_calls_no_hook(lab: Lab, options: list[str]) -> None:
    lab.write("def test_plain(): pass", conftest=WRITES)
    result = lab.bare(*options)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("SEEN")
