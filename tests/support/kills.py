"""Sessions of pytest that are killed with SIGKILL at a chosen request, against a counting provider on loopback.

Also used by `benchmarks/soak_kills.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from support.endpoint import FakeEndpoint

from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.server.chat_completions import chat_request

LIGHT = ("-p", "no:langsmith_plugin", "-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:cacheprovider")
WHOLE = """
import pytest
from harness import ActionsAtLeast, Correction, Experiment, Extraction, Group, Intervention, Mode, Persona
from harness import Proposition, Script

whole = Experiment(
    name="whole",
    population=(Persona("Ada Voss", {"occupation": "trader"}), Persona("Bo Lund", {"occupation": "teacher"})),
    groups=(
        Group("Control"),
        Group(
            "Treatment",
            Correction(quality_threshold=5, max_attempts=2),
            (Intervention("new", "I shall try something new.", "nobody says anything new", ActionsAtLeast(1)),),
        ),
    ),
    script=Script(
        task="Find new uses for {thing}.",
        introduction="You are here to talk about {thing}.",
        consolidation="Sum up all that was proposed about {thing}.",
        extraction=Extraction("ideas", ("name",), "ideas_qty", "Every idea.", "People look for uses."),
        proposals=({"thing": "bicycles"}, {"thing": "lamps"}),
    ),
    metrics=(
        Proposition("Courtesy", "The person stays courteous."),
        Proposition("Completion", "The task is done.", about="panel"),
    ),
    modes={"full": Mode(reps=1, steps=1)},
)


@pytest.mark.experiment(whole)
def test_whole(cell):
    cell.run()
"""
"""An experiment of everything that a trial may have: four trials."""

_FOREIGN = ("PYTEST_", "COV_", "OPENAI_", "HARNESS_", "LANGSMITH_", "SENTRY_", "TINYTROUPE_")


class CountingEndpoint(FakeEndpoint):
    """Counts requests and answers each, ``delay`` seconds later, with the rehearsal model's reply to its content alone.

    ``open`` is how many it has not answered yet.
    """

    def __init__(self, delay: float = 0.02) -> None:
        super().__init__(message=self._answer)
        self.delay, self.open = delay, 0
        self._rehearsal = RehearsalProvider(0)
        self._wanted, self._reached = sys.maxsize, threading.Event()

    @property
    def count(self) -> int:
        return len(self.requests)

    def arm(self, more: int) -> None:
        """`wait` for so many more requests."""
        self._reached.clear()
        self._wanted = self.count + more

    def wait(self, process: subprocess.Popen[str]) -> bool:
        """Until they have come; false when ``process`` ended before, or five minutes passed."""
        for _ in range(15_000):
            if self._reached.wait(0.02):
                return True
            if process.poll() is not None:
                break
        return False

    def _answer(self, body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        if number + 1 >= self._wanted:
            self._reached.set()
        content = {name: value for name, value in body.items() if name != "max_tokens"}
        reply = self._rehearsal.answer(chat_request(content), trial="", occurrence=0)
        return {"content": reply.text} | ({"tool_calls": reply.tool_calls} if reply.tool_calls else {})

    async def _chat(self, request: Request) -> Response:
        return await self._slowly(super()._chat(request))

    async def _embeddings(self, request: Request) -> Response:
        return await self._slowly(super()._embeddings(request))

    async def _slowly(self, answering: Coroutine[Any, Any, Response]) -> Response:
        self.open += 1
        try:
            answer = await answering
            await asyncio.sleep(self.delay)
            return answer
        finally:
            self.open -= 1


@dataclass(frozen=True)
class Killed:
    """A session that was killed: how many requests the endpoint had not answered then, and who did not end with it."""

    in_flight: int
    orphans: Sequence[int] = ()


class Sessions:
    """Sessions of pytest in ``folder`` with ``options`` and environment ``variables`` that ask the endpoint.

    Every sample is asked for with a seed of its own, and the answers depend on it: a resumed run that mixes up its
    samples ends otherwise.
    """

    def __init__(
        self, endpoint: CountingEndpoint, folder: Path, options: Sequence[str], **variables: str
    ) -> None:
        self._endpoint, self._folder, self._options = endpoint, folder, options
        self._variables = variables | {"OPENAI_API_KEY": "any"}

    def start(self, results: Path) -> subprocess.Popen[str]:
        model = (
            "--model=openai:fake-2025-01-01", f"--model-base-url={self._endpoint.url}", "--provider-seed=1"
        )  # fmt: skip
        own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *LIGHT, *model, f"--results-dir={results}", *self._options],
            cwd=self._folder,
            env=own | self._variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def kill_at(
        self, results: Path, requests: int, later: float = 0.0, *, everyone: bool = True
    ) -> Killed | None:
        """Start, kill ``later`` seconds after so many requests; ``None`` when it ended before.

        Killed is ``everyone``, the session and its workers, or the session alone; then its workers have to end by
        themselves, for which they get 10 s.
        """
        self._endpoint.arm(requests)
        process = self.start(results)
        assert process.stdout is not None
        with process.stdout:
            alive = self._endpoint.wait(process)
            time.sleep(later)
            in_flight = self._endpoint.open
            os.killpg(process.pid, signal.SIGKILL) if everyone else process.kill()
            process.wait()
        time.sleep(2 * self._endpoint.delay)  # what was in flight is answered into the void
        return Killed(in_flight, _left_behind(process.pid)) if alive else None

    def finish(self, results: Path) -> bytes:
        """Run to the end; the artifact."""
        process = self.start(results)
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
        assert not (left := _left_behind(process.pid)), f"processes {left} did not end with their session"
        (artifact,) = [path for path in results.glob("*.json") if not path.name.endswith(".meta.json")]
        return artifact.read_bytes()


def _left_behind(session: int, patience: float = 10.0) -> Sequence[int]:
    """The processes of ``session`` that have not ended after ``patience`` seconds. Looks where Linux keeps them."""
    until = time.monotonic() + patience
    while (left := _members(session)) and time.monotonic() < until:
        time.sleep(0.02)
    return left


def _members(session: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, _group, belongs, *_ = path.read_text().rpartition(")")[2].split()
            if int(belongs) == session and state != "Z":
                found.append(int(path.parent.name))
    return found
