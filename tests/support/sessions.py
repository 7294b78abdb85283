"""A user's folder with a small experiment, a model that a test watches, and sessions of pytest run there.

The experiment ``small``: two people, two proposals, two groups, one step; two trials a cell, four calls a trial.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelCallError
from harness.gateway import providers
from harness.gateway.calls import Reply, Request
from harness.gateway.rehearsal.provider import RehearsalProvider

CALLS_PER_TRIAL = 4
SMALL = """
import pytest
from harness import Correction, Experiment, Group, Intervention, Mode, Persona, Proposition, Script

small = Experiment(
    name="small",
    population=(Persona("Ada", {"occupation": "trader"}), Persona("Bo", {"occupation": "teacher"})),
    groups=(Group("Control"), Group("Treatment")),
    script=Script(task="Agree on {thing}.", proposals=({"thing": "a bicycle"}, {"thing": "a lamp"})),
    metrics=(Proposition("Courtesy", "The person stays courteous."),),
    modes={"full": Mode(reps=1, steps=1), "long": Mode(reps=3, steps=1)},
)


@pytest.mark.experiment(small)
def test_small(cell):
    cell.run()
"""
ONE_PROPOSAL = SMALL.replace(', {"thing": "a lamp"}', ",")

LIGHT = (
    "-p",
    "no:langsmith_plugin",
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:anyio",
    "-p",
    "no:cacheprovider",
)
"""Without plugins that are beside the point and slow to load."""

Before = Callable[[str, int], Awaitable[None]]


@dataclass
class Watched:
    """The model ``watched``: rehearsal's answers, every call noted, and ``before`` awaited ahead of each answer.

    ``before`` gets the trial's id and how many calls there were, this one included; what it raises, the call raises.
    ``text`` replaces every answer; ``rewrite`` makes another text of the trial's id and the rehearsal's answer.
    """

    calls: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    before: Before | None = None
    text: str | None = None
    rewrite: Callable[[str, str], str] | None = None
    error: ModelCallError | None = None
    name: str = "watched"
    model: str = "watched-1"

    def factory(self, argument: str, *, seed: int, base_url: str | None, environ: Mapping[str, str]) -> _Way:
        return _Way(self, RehearsalProvider(seed))

    @property
    def per_trial(self) -> Counter[str]:
        return Counter(self.calls)

    def forget(self) -> None:
        self.calls.clear()
        self.requests.clear()


class _Way:
    def __init__(self, watched: Watched, rehearsal: RehearsalProvider) -> None:
        self._watched, self._rehearsal = watched, rehearsal
        self.name, self.model = watched.name, watched.model

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        watched = self._watched
        watched.calls.append(trial)
        watched.requests.append(request)
        if watched.before is not None:
            await watched.before(trial, len(watched.calls))
        if watched.error is not None:
            raise watched.error
        if watched.text is not None:
            return Reply(watched.text)
        reply = await self._rehearsal.complete(request, trial=trial, occurrence=occurrence)
        return replace(reply, text=watched.rewrite(trial, reply.text)) if watched.rewrite else reply

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        return await self._rehearsal.embed(texts, model)

    async def aclose(self) -> None:
        await self._rehearsal.aclose()


class Lab:
    """The folder. `run` is a session in this process with the model ``watched``; `start` one of its own."""

    def __init__(self, pytester: pytest.Pytester, watched: Watched) -> None:
        self.pytester, self.watched = pytester, watched
        self.path = pytester.path
        self.results = self.path / "results"

    def write(self, source: str = SMALL, **files: str) -> None:
        """``test_small.py``, and other files by name without ``.py``."""
        self.pytester.makepyfile(test_small=source, **files)

    def run(self, *options: str, model: str = "watched") -> pytest.RunResult:
        """``pytest -m experiment`` with ``options``."""
        return self.pytester.runpytest_inprocess(*LIGHT, "-m", "experiment", f"--model={model}", *options)

    def bare(self, *options: str) -> pytest.RunResult:
        """``pytest`` with ``options`` and no others."""
        return self.pytester.runpytest_inprocess(*LIGHT, *options)

    def start(self, *options: str, leader: bool = False, **variables: str) -> subprocess.Popen[str]:
        """The same in a process of its own, of a process group of its own if it is to be the ``leader`` of one.

        Standard output and error are one pipe.
        """
        session = subprocess.Popen(
            [sys.executable, "-m", "pytest", *LIGHT, "-m", "experiment", *options],
            cwd=self.path,
            env=environment() | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=leader,
        )
        watch(session)
        return session

    def command(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """``harness`` with ``words``, in a process of its own."""
        return subprocess.run(
            [sys.executable, "-c", "from harness.cli import main; main()", *words],
            cwd=self.path,
            env=environment() | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def artifacts(self) -> list[Path]:
        """Artifacts, oldest run first."""
        found = (path for path in self.results.glob("*.json") if not path.name.endswith(".meta.json"))
        return sorted(found, key=lambda path: path.stat().st_mtime_ns)

    def artifact(self) -> dict[str, Any]:
        """The only artifact."""
        (path,) = self.artifacts
        return load(path)

    def meta(self) -> dict[str, Any]:
        """What stands beside the only artifact."""
        (path,) = self.artifacts
        return load(path.with_suffix(".meta.json"))

    def lines(self, group: str = "*", kind: str | None = None) -> list[dict[str, Any]]:
        """All lines of the JSONL files of ``group``, or those of one type."""
        paths = sorted(self.results.glob(f"*_{group}_run*.jsonl"))
        records = [json.loads(text) for path in paths for text in path.read_text().splitlines()]
        return [record for record in records if kind in (None, record["type"])]


def watch(process: subprocess.Popen[Any], seconds: float = 90.0) -> None:
    """Kill ``process`` when it takes too long, so that its test fails instead of waiting for ever."""
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()


def environment() -> dict[str, str]:
    """This process's environment as a user's would be, with sessions that load no other plugins."""
    here = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return here | {
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "80",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": " ".join(LIGHT),
    }


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


@pytest.fixture
def lab(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A folder with the small experiment in it."""
    watched = Watched()
    monkeypatch.setitem(providers._factories, "watched", watched.factory)
    monkeypatch.setenv("COLUMNS", "80")
    found = Lab(pytester, watched)
    found.write()
    return found
