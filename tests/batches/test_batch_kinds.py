"""Kinds of batches: any experiment's needs no extra, and a foreign package adds its kind by an entry point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.batches.batch_kind import ANY, kind_of, registered
from harness.batches.manifest import load
from harness.errors import ConfigurationError
from harness.extras import EXTRAS
from tests.support.distributions import install
from tests.support.sessions import environment
from tests.support.studies import RACE
from tests.support.terminal import command

WITHOUT_EXTRAS = f"""
import sys
for name in {sorted({name for names in EXTRAS.values() for name in names})!r}:
    sys.modules[name] = None
from harness.cli import main
main()
"""
SURVEYS = '''
"""A package whose batches are of polls, each declared in a file of its own sort."""
import json

from harness import Experiment, Group, Measure, Mode, Play, Sample, Script, TrialResult
from harness.batches.batch_kind import BatchKind


async def play(plan, client):
    return TrialResult(plan.trial, (Sample("share", plan.settings["share"]),))


class Polls(BatchKind):
    spec_folders = ("polls",)
    build_hint = "a poll written by: harness polls"

    def declares(self, path):
        return path.suffix == ".poll"

    def experiment(self, path, name):
        return Experiment(
            name="poll",
            groups=(Group("all"),),
            script=Script(task="", proposals=({"id": "only"},)),
            metrics=(Measure("share"),),
            modes={"full": Mode(reps=1, steps=1)},
            settings=json.loads(path.read_text()),
            axes=("share",),
            play=Play(play, lambda plan: ({}, {})),
        )

    def experiment_file(self, study):
        return study.folder / "today.poll"

    def write_example(self, study):
        path = study.folder / "today.poll"
        path.write_text('{"share": 0.25}')
        return [path]

    def rules(self, study):
        return "polls", "none"

    def results(self, session, run_id):
        answers = session / f"answers-{run_id}.txt"
        answers.write_text("yes")
        return [answers]

    def gate(self, study, manifest, variants):
        return ["PASS" for one in variants if one.placed.exists()]

    def status(self, study):
        yield "one poll"

    def disagreements(self, study):
        yield "the poll is stale."


KIND = Polls()
'''


@pytest.fixture
def polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "polls", {"harness.batch_kinds": {"polls": "polls:KIND"}}, SURVEYS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site-packages" / "polls"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("polls")
def test_a_registered_kind_runs_its_batches_from_the_example_to_the_gates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kinds = {type(kind).__name__: kind for kind in registered()}
    monkeypatch.setattr(type(kinds["Simulations"]), "experiment_file", lambda *_: None)
    monkeypatch.setattr(type(kinds["Simulations"]), "write_example", lambda *_: ())
    study = command(monkeypatch, capsys, "study")
    assert study("init", "votes", "--example").out.endswith("Written: runs/votes/today.poll\n")
    assert (tmp_path / "runs/votes/specs/polls").is_dir()
    swept = study("sweep", "votes", "--axis", "share", "0.25", "0.5")
    assert swept.code == 0, swept
    (manifest,) = tmp_path.glob("runs/votes/batches/*/manifest.yaml")
    made = load(manifest)
    assert (made.experiment, made.gate_profile, Path(str(made.path)).name) == ("poll", "polls", "today.poll")
    assert swept.out.count(", gates PASS") == 2
    placed = sorted(path.read_text() for path in manifest.parent.rglob("results/answers-*.txt"))
    assert placed == ["yes", "yes"]
    assert study("status", "votes").out.startswith("one poll\n")
    assert "the poll is stale." in study("audit", "votes").out


def test_a_study_of_a_users_own_experiment_needs_no_extra(tmp_path: Path) -> None:
    (tmp_path / "test_race.py").write_text(RACE)
    for words in (
        "init races",
        "new races --path test_race.py --exp race --mode full",
        "sweep races --path test_race.py --exp race --axis chunk-size 2 3",
        "status races",
        "audit races",
    ):
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_EXTRAS, "study", *words.split()],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{words}: {done.stdout}{done.stderr}"
    (registry,) = tmp_path.glob("runs/races/registry/runs.csv")
    assert registry.read_text().count(",success,") == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import not_there", "No module named 'not_there'"),
        ("KIND = 'polls'", "gave 'polls'; expected a BatchKind"),
    ],
)
def test_a_kind_that_cannot_be_had_is_left_out_and_its_package_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    install(tmp_path, monkeypatch, "broken", {"harness.batch_kinds": {"broken": "broken:KIND"}}, code)
    with pytest.warns(RuntimeWarning, match=rf"of broken 1\.0.*{reason}"):
        assert kind_of("test_race.py") is ANY


def test_a_file_that_no_kind_declares_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"today\.poll: no installed package runs batches of such"):
        kind_of("today.poll")
