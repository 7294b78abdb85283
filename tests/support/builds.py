"""Studies whose population is built: the command in this process or in one that is killed, and what they come to."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from harness.cli import main
from harness.cli.app import app
from harness.gateway.rehearsal.provider import RehearsalProvider
from tests.support.sessions import environment

TOLD = (
    "--population",
    "Commuters of a coastal city",
    "--event",
    "Bus fares rise",
    "--size",
    "60",
    "--steps",
    "3",
)
"""What a model writes a whole population from."""
KEPT = (
    "base.yaml",
    "population.yaml",
    "agents.json",
    "network.json",
    "population.persona.yaml",
    "scenario.yaml",
    "estimate.json",
    "gates.json",
    ".stages.json",
    "pipeline.yaml",
)
KILLER = """
import os, signal, sys
from harness.cli import main
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.experiments.population.build import build as population_build, stage_ledger

place, number = sys.argv.pop(1), int(sys.argv.pop(1))

def dying(function):
    def wrapped(*arguments, **named):
        global number
        number -= 1
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return wrapped

owner, name = {"call": (RehearsalProvider, "complete"), "put": (stage_ledger, "_put"),
               "record": (stage_ledger, "write"),
               "gates": (population_build, "write_report"), "tidy": (stage_ledger, "_tidy")}[place]
setattr(owner, name, dying(getattr(owner, name)))
main()
"""


@cache
def command() -> Any:
    """The command line, put together once: that takes a tenth of a second."""
    return get_command(app)


@dataclass
class Said:
    """How the command ended, and what it printed."""

    code: int
    out: str
    err: str


class Bench:
    """A folder with studies in ``runs``, worked on by ``harness study`` in this process."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._patch, self._capsys = folder, patch, capsys
        self.calls = 0
        patch.chdir(folder)
        patch.setattr(sys.modules["harness.cli.app"], "app", command())
        answer = RehearsalProvider.complete

        async def counted(rehearsal: RehearsalProvider, *arguments: object, **named: object) -> object:
            self.calls += 1
            return await answer(rehearsal, *arguments, **named)  # type: ignore[arg-type]

        patch.setattr(RehearsalProvider, "complete", counted)

    def study(self, name: str = "town") -> Path:
        return self.folder / "runs" / name

    def run(self, *words: str) -> Said:
        self._patch.setattr(sys, "argv", ["harness", "study", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        told = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), told.out, told.err)

    def build(self, *words: str, name: str = "town") -> Said:
        return self.run("build", name, *words)

    def edit(self, file: str, old: str, new: str, name: str = "town") -> None:
        path = self.study(name) / file
        text = path.read_text("utf-8")
        assert old in text, old
        path.write_text(text.replace(old, new, 1), "utf-8")


def started(folder: Path, *words: str, kill: str = "never 0", **variables: str) -> subprocess.Popen[str]:
    """``harness study`` in a process of its own; ``kill`` is the place, and which time it comes there."""
    code = KILLER if kill != "never 0" else "from harness.cli import main; main()"
    dying = kill.split() if kill != "never 0" else []
    return subprocess.Popen(
        [sys.executable, "-c", code, *dying, "study", *words],
        cwd=folder,
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kept(study: Path) -> dict[str, str]:
    """The hash of every file that a build answers for."""
    return {
        name: hashlib.sha256((study / name).read_bytes()).hexdigest() if (study / name).exists() else ""
        for name in KEPT
    }


def whole(folder: Path) -> dict[str, bytes]:
    """Everything below ``folder``, but what says how far a build is and who is at it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".build" not in path.parts
    }


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Without permission to write there."""
    folder.chmod(0o500)
    try:
        yield
    finally:
        folder.chmod(0o700)


def copied(source: Path, target: Path) -> None:
    """With the times of its files."""
    shutil.copytree(source, target, copy_function=shutil.copy2)
