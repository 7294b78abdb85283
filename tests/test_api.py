"""`harness.run` in a script: the same code path as pytest's."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

import harness
from harness import Experiment, Group, HarnessError, Measure, Mode, Persona, Proposition, Script
from tests.support.sessions import CALLS_PER_TRIAL, LIGHT, SMALL, Lab, environment


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))


def small(**changes: object) -> Experiment:
    parts = {
        "name": "small",
        "population": (Persona("Ada", {"occupation": "trader"}), Persona("Bo", {"occupation": "teacher"})),
        "groups": (Group("Control"), Group("Treatment")),
        "script": Script(task="Agree on {thing}.", proposals=({"thing": "a bicycle"}, {"thing": "a lamp"})),
        "metrics": (Proposition("Courtesy", "The person stays courteous."),),
        "modes": {"full": Mode(reps=1, steps=1)},
    }
    return Experiment(**{**parts, **changes})  # type: ignore[arg-type]


def test_a_script_runs_an_experiment_and_reads_its_values(lab: Lab) -> None:
    done = harness.run(small(), model="watched", quiet=True)
    assert (done.exit_code, done.experiment) == (0, "small")
    assert len(done.values("Treatment", "Courtesy")) == 4
    assert done.values("Treatment", "Nonesuch") == []
    assert done.artifact == lab.artifact()
    assert done.meta == lab.meta()
    assert len(done.records) == 2
    assert len(lab.watched.calls) == 4 * CALLS_PER_TRIAL


def test_a_registered_experiment_by_name(lab: Lab) -> None:
    done = harness.run("exp_3", mode="fast", count=1, results_dir="elsewhere", quiet=True)
    assert done.meta["partial"] is False
    assert done.artifact_path is not None
    assert done.artifact_path.parent.name == "elsewhere"


@pytest.mark.parametrize("concurrency", [1, None])
def test_it_runs_inside_a_running_loop(lab: Lab, concurrency: int | None) -> None:
    async def notebook_cell() -> harness.Results:
        return harness.run(small(), model="watched", concurrency=concurrency, quiet=True)

    assert asyncio.run(notebook_cell()).exit_code == 0


def test_one_run_after_another_in_one_process(lab: Lab) -> None:
    first = harness.run(small(), model="watched", quiet=True)
    second = harness.run(small(), model="watched", quiet=True)
    other = harness.run(small(name="other"), model="watched", quiet=True)
    assert first.run_id != second.run_id
    assert first.artifact == second.artifact
    assert other.experiment == "other"


def test_a_failed_trial_is_in_the_exit_code_and_what_is_left_says_so(lab: Lab) -> None:
    lab.watched.text = "garbage"
    done = harness.run(small(), model="watched", quiet=True, reruns=1)
    assert done.exit_code == 1
    assert done.meta["partial"] is True
    assert done.values("Control", "Courtesy") == []
    lab.watched.text = None
    again = harness.run(small(), model="watched", quiet=True)
    assert (again.run_id, again.exit_code) == (done.run_id, 0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"mode": "fst"}, "has no mode 'fst'"),
        ({"engine": "tinytrope"}, "Engine 'tinytrope': not installed"),
        ({"model": "opnai:x"}, "unknown provider 'opnai'"),
        ({"model": "opnai:x"}, "use model= (openai:MODEL) with base_url= (http://HOST:PORT/v1)."),
        ({"temperature": 9}, "expected 0 to 2"),
        ({"concurrency": 0}, "expected a whole number from 1"),
    ],
)
def test_what_cannot_be_had_raises_and_says_why(
    lab: Lab, capsys: pytest.CaptureFixture[str], options: dict[str, object], expected: str
) -> None:
    with pytest.raises(HarnessError) as raised:
        harness.run(small(), quiet=True, **options)  # type: ignore[arg-type]
    said = capsys.readouterr()
    assert expected in str(raised.value) + said.out + said.err
    assert lab.artifacts == []


def test_an_unknown_name(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(HarnessError, match="Nothing was run"):
        harness.run("exp_9", quiet=True)
    assert "Unknown experiment 'exp_9'" in capsys.readouterr().err


def test_quiet_is_quiet(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    harness.run(small(), quiet=True)
    said = capfd.readouterr()
    assert said.out.split() in ([], ["..", "[100%]"])
    assert said.err == ""


def test_measures_are_taken_of_the_transcript(lab: Lab) -> None:
    talk = Measure("remarks", lambda transcript: sum(event.type == "TALK" for event in transcript))
    nothing = Measure("nothing", lambda transcript: None)
    done = harness.run(small(metrics=(talk, nothing)), quiet=True)
    assert all(value >= 1 for value in done.values("Control", "remarks"))
    assert done.values("Control", "nothing") == []
    assert {one["metric"] for one in done.meta["missing_samples"]} == {"nothing"}


def test_a_plain_script_in_a_process_of_its_own(lab: Lab) -> None:
    lab.pytester.makepyfile(
        script=SMALL.replace("import pytest\n", "").partition("@pytest")[0]
        + "import harness\nif __name__ == '__main__':\n    print('CODE', harness.run(small).exit_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=lab.path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "CODE 0"
    assert "Traceback" not in json.dumps(done.stderr)
