"""How many finished calls are paid again after a kill: at call 150 of 300, 10 in flight.

    python benchmarks/killed.py [--kills 5]

Two designs, each killed with SIGKILL when the endpoint gets request 150, and run again to its end: 300 trials of one
call, and 60 trials of five calls that follow each other, so that the kill falls into the middle of trials. Every
request has its own seed (``--provider-seed``), so the endpoint tells which it has been sent before.

Calls that were in flight at the kill have to be sent again: at most ten. A call is finished when its answer is in the
journal, which is before its trial sees it; the second session may send those that are not, and no other. Answers that
the endpoint had handed over but that were still on their way through socket, parser and journal (more of them the
busier the machine) are in flight, and are printed apart. The artifact must be that of an undisturbed run, byte for
byte.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from starlette.requests import Request  # noqa: E402
from starlette.responses import Response  # noqa: E402
from support.kills import CountingEndpoint, Sessions  # noqa: E402

CALLS, MOMENT, IN_FLIGHT = 300, 150, 10
DESIGN = """
import pytest
from harness import Experiment, Group, Measure, Mode, Persona, Script

EXPERIMENT = Experiment(
    name="killed",
    groups=(Group("Control"), Group("Treatment")),
    script=Script(task="Say something."),
    metrics=(Measure("lines", len),),
    population=(Persona("Ann", {"name": "Ann"}),),
    modes={"full": Mode(steps=STEPS)},
)

@pytest.mark.experiment(EXPERIMENT)
def test_killed(cell):
    cell.run()
"""


class RememberingEndpoint(CountingEndpoint):
    """Knows each request by its content, and which were answered."""

    def __init__(self, delay: float) -> None:
        super().__init__(delay)
        self.asked: list[str] = []
        self.answered: set[str] = set()

    async def _chat(self, request: Request) -> Response:
        name = hashlib.sha256(await request.body()).hexdigest()
        self.asked.append(name)
        answer: Any = await super()._chat(request)
        self.answered.add(name)
        return answer


@dataclass(frozen=True)
class Kill:
    """Calls of an undisturbed run; of those sent again all, the finished, and the answered but not yet kept."""

    calls: int
    repaid: int
    again: int
    just_answered: int
    same: bool

    @property
    def sound(self) -> bool:
        return self.calls == CALLS and self.same and not self.repaid and self.again <= IN_FLIGHT

    def __str__(self) -> str:
        same = "the same" if self.same else "DIFFERS"
        return (
            f"{self.repaid} finished calls paid again; {self.again} in flight sent again "
            f"({self.just_answered} answered, not yet kept); artifact {same}{'' if self.sound else '  FAULT'}"
        )


def killed_once(steps: int, folder: Path, later: float) -> Kill:
    """Run the design of so many calls a trial undisturbed, then kill it and run it to its end."""
    (folder / "test_killed.py").write_text(DESIGN.replace("STEPS", str(steps)))
    (folder / "pytest.ini").write_text("[pytest]\n")
    options = ("-q", "-m", "experiment", "--count", str(CALLS // steps // 2), "--concurrency", str(IN_FLIGHT))
    with RememberingEndpoint(delay=0.1) as endpoint:
        sessions = Sessions(endpoint, folder, options)
        undisturbed, calls = sessions.finish(folder / "undisturbed"), len(endpoint.asked)
        endpoint.asked.clear()
        endpoint.answered.clear()
        endpoint.arm(MOMENT)
        process = sessions.start(folder / "killed")
        if not endpoint.wait(process):
            sys.exit(f"The session ended before request {MOMENT}.")
        time.sleep(later)
        answered = set(endpoint.answered)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        sent, before, finished = len(endpoint.asked), set(endpoint.asked), journaled(folder / "killed")
        same = sessions.finish(folder / "killed") == undisturbed
        again = [name for name in endpoint.asked[sent:] if name in before]
        repaid = len(endpoint.asked) - sent - (calls - finished)
        return Kill(calls, repaid, len(again), sum(name in answered for name in again), same)


def journaled(results: Path) -> int:
    """How many answers are in the journal that a killed session left; read from a copy."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(results / "journal", folder, dirs_exist_ok=True)
        (file,) = Path(folder).glob("*.sqlite")
        with contextlib.closing(sqlite3.connect(file)) as connection:
            (count,) = connection.execute(
                "select count(*) from replies where verdict = 'accepted'"
            ).fetchone()
        return int(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=5, help="kills of each design (default: 5)")
    kills, faults = parser.parse_args().kills, 0
    for steps in (1, 5):
        for number in range(kills):
            folder = Path(tempfile.mkdtemp())
            try:
                kill = killed_once(steps, folder, later=0.02 * number)
            finally:
                shutil.rmtree(folder)
            faults += not kill.sound
            print(
                f"{CALLS // steps} trials of {steps} calls, killed at {MOMENT} of {CALLS}: {kill}", flush=True
            )
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
