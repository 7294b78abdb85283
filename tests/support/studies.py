"""A study of a small experiment that plays its own trials, and a command line to work on it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.batches.batch_kind import BatchRequest
from harness.batches.batch_plan import create, start_study
from harness.batches.batch_run import Ran, run_batch
from harness.batches.manifest import Manifest, load
from harness.batches.study_layout import Study
from harness.cli.study_session import Sessions, facts
from harness.gateway.calls import CallSite, Request
from harness.model import Experiment, Group, Measure, Mode, Play, Script
from harness.model.outcome import Sample, TrialResult
from harness.runtime.settings import Settings
from tests.support.sessions import LIGHT, environment

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RACE = '''
"""A race: each trial asks the model once per step, and its own seed has a say."""
import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from harness import Experiment, Group, Measure, Mode, Play, Sample, Script, TrialResult
from harness.gateway.calls import Request, CallSite

PLAYED = []


async def play(plan, client):
    PLAYED.append(plan.trial)
    moment = int(os.environ.get("KILL_AT", "0"))
    if len(PLAYED) == moment:
        os.kill(os.getpid(), getattr(signal, os.environ.get("KILL_WITH", "SIGKILL")))
    if len(PLAYED) >= moment > 0:
        await asyncio.sleep(60)  # until the signal is heard
    total = 0
    for step in range(plan.steps):
        where = f"{plan.settings['chunk_size']} {plan.settings['place']} {step}"
        prompt = f"{plan.proposal['id']} {where}" + plan.arm.get("tone", "")
        request = Request(messages=[{"role": "user", "content": prompt}])
        reply = await client.complete(request, CallSite("answer", str(step)))
        total += len(reply.text)
    luck = random.Random(f"{plan.seed}/{plan.trial.proposal}").random()
    return TrialResult(plan.trial, (Sample("length", total * plan.settings["chunk_size"] + luck),))


race = Experiment(
    name="race",
    groups=(Group("plain"), Group("rude", settings={"tone": "rude"})),
    script=Script(task="", proposals=tuple({"id": name} for name in ("sum", "poem", "map"))),
    metrics=(Measure("length"),),
    modes={"full": Mode(reps=2, steps=1)},
    settings={"chunk_size": 2, "place": "Oslo"},
    axes=("chunk_size",),
    play=Play(play, lambda plan: ({"answer": plan.steps}, {"answer": plan.steps})),
)


@pytest.mark.experiment(race)
def test_race(cell):
    cell.run()
'''


async def silent(plan: Any, _client: Any) -> TrialResult:
    """Plays without a model: it scores its place in the design, chunk size and seed, and records its town and tone."""
    details = {"town": plan.settings["place"], "tone": plan.arm.get("tone")}
    score = plan.trial.proposal + plan.trial.cell.rep + 10 * plan.settings["chunk_size"] + plan.seed
    return TrialResult(plan.trial, (Sample("length", float(score)),), details=details)


async def ask(plan: Any, client: Any) -> TrialResult:
    """Asks the model once."""
    what = (plan.proposal["id"], plan.settings["chunk_size"], plan.settings["place"], plan.arm.get("tone"))
    reply = await client.complete(
        Request(messages=[{"role": "user", "content": f"{what}"}]), CallSite("answer")
    )
    return TrialResult(plan.trial, (Sample("length", float(len(reply.text))),))


ASKING = Play(ask, lambda _: ({"answer": 1}, {"answer": 1}))


def experiment(**changes: Any) -> Experiment:
    """Six trials a group; asks nobody."""
    parts: dict[str, Any] = {
        "name": "quiet",
        "groups": (Group("plain"), Group("rude", settings={"tone": "rude"})),
        "script": Script(task="", proposals=tuple({"id": name} for name in ("sum", "poem", "map"))),
        "metrics": (Measure("length"),),
        "modes": {"full": Mode(reps=2, steps=1)},
        "settings": {"chunk_size": 2, "place": "Oslo"},
        "axes": ("chunk_size",),
        "play": Play(silent, lambda _: ({}, {})),
    }
    return Experiment(**{**parts, **changes})


class Bench:
    """A study in a folder of its own, worked on in this process."""

    def __init__(self, root: Path) -> None:
        self.study = Study(root / "runs", "races")
        start_study(self.study)
        self.experiment = experiment()

    def declare(
        self, *axes: tuple[str, list[str]], seeds: tuple[int, ...] = (0,), **changes: Any
    ) -> Manifest:
        wanted: dict[str, Any] = {
            "experiment": self.experiment,
            "axes": axes or (("chunk-size", ["2", "3"]),),
            "seeds": seeds,
            "intent": "test",
            "objective": "To see it run.",
            "success_metric": "length",
            "gate_profile": "instrument",
            "schema_map": "none",
            "options": {},
        }
        return create(self.study, BatchRequest(**{**wanted, **changes}), facts, NOON)

    def run(self, manifest: Manifest, *further: str, **limits: Any) -> Ran:
        heartbeat = self.study.batch(manifest.batch_id).heartbeat
        settings = Settings(**{name: value for name, value in limits.items() if value is not None})
        return run_batch(
            self.study,
            manifest,
            self.experiment,
            facts=facts,
            launch=Sessions(heartbeat, settings, further=("-qq", "--no-header", "--no-summary", *further)),
            clock=lambda: NOON,
        )

    def read(self, manifest: Manifest) -> Manifest:
        return load(self.study.batch(manifest.batch_id).manifest)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A study without batches."""
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path)


def command(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """``harness study`` with ``words``, in a process of its own; the race is in ``race.py``."""
    (folder / "race.py").write_text(RACE)
    return subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main()", "study", *words],
        cwd=folder,
        env=environment() | {"PYTEST_ADDOPTS": " ".join(LIGHT)} | variables,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def contents(folder: Path) -> dict[str, str]:
    """Every file below ``folder``, by its hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def outcome(study: Path) -> dict[str, Any]:
    """What a study came to, less what any two differ in: ids of runs and batches, times, and names made of them."""
    found: dict[str, Any] = {}
    for variant in sorted(study.glob("batches/*/variants/*")):
        (meta_path,) = variant.glob("results/*.meta.json")
        artifact = meta_path.with_name(meta_path.name.removesuffix(".meta.json") + ".json")
        meta = json.loads(meta_path.read_bytes())
        run, batch = meta["run_id"], variant.parents[1].name
        kept = {name: meta[name] for name in ("trials", "usage", "samples", "partial", "failures", "summary")}
        found[variant.name] = (
            artifact.read_bytes(),
            kept,
            (variant / "inputs" / "settings.json").read_bytes(),
        )
        found[f"row of {variant.name}"] = [
            line.split(",", 1)[1].replace(run, "RUN").replace(batch, "BATCH")
            for line in (study / "registry" / "runs.csv").read_text().splitlines()
            if f",{variant.name}," in line
        ]
    return found
