"""Sessions of pytest that are killed with SIGKILL at a chosen request, against a counting provider on loopback.

Also used by `benchmarks/soak_kills.py`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from support.endpoint import FakeEndpoint

from harness.llm.providers.rehearsal import Rehearsal
from harness.llm.wire import chat_request

LIGHT = ("-p", "no:langsmith_plugin", "-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:cacheprovider")
_FOREIGN = ("PYTEST_", "COV_", "OPENAI_", "HARNESS_", "LANGSMITH_", "SENTRY_", "TINYTROUPE_")


class CountingEndpoint(FakeEndpoint):
    """Counts requests and answers each, ``delay`` seconds later, with the rehearsal model's reply to its content alone.

    ``open`` is how many it has not answered yet.
    """

    def __init__(self, delay: float = 0.02) -> None:
        super().__init__(message=self._answer)
        self.delay, self.open = delay, 0
        self._rehearsal = Rehearsal(0)
        self._wanted, self._reached = sys.maxsize, threading.Event()

    @property
    def count(self) -> int:
        return len(self.requests)

    def arm(self, more: int) -> None:
        """`wait` for so many more requests."""
        self._reached.clear()
        self._wanted = self.count + more

    def wait(self, process: subprocess.Popen[str]) -> bool:
        """Until they have come; false when ``process`` ended before, or a minute passed."""
        for _ in range(3000):
            if self._reached.wait(0.02):
                return True
            if process.poll() is not None:
                break
        return False

    def _answer(self, body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        if number + 1 >= self._wanted:
            self._reached.set()
        return {"content": self._rehearsal.answer(chat_request(body), trial="", occurrence=0).text}

    async def _chat(self, request: Request) -> Response:
        self.open += 1
        try:
            answer = await super()._chat(request)
            await asyncio.sleep(self.delay)
            return answer
        finally:
            self.open -= 1


@dataclass(frozen=True)
class Killed:
    """A session that was killed: how many requests the endpoint had not answered then."""

    in_flight: int


class Sessions:
    """Sessions of pytest in ``folder`` with ``options`` that ask the endpoint."""

    def __init__(self, endpoint: CountingEndpoint, folder: Path, options: Sequence[str]) -> None:
        self._endpoint, self._folder, self._options = endpoint, folder, options

    def start(self, results: Path) -> subprocess.Popen[str]:
        model = ("--model=openai:fake-2025-01-01", f"--model-base-url={self._endpoint.url}")
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *LIGHT, *model, f"--results-dir={results}", *self._options],
            cwd=self._folder,
            env={name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill_at(self, results: Path, requests: int, later: float = 0.0) -> Killed | None:
        """Start, kill ``later`` seconds after so many requests; ``None`` when it ended before."""
        self._endpoint.arm(requests)
        process = self.start(results)
        assert process.stdout is not None
        with process.stdout:
            alive = self._endpoint.wait(process)
            time.sleep(later)
            in_flight = self._endpoint.open
            process.kill()
            process.wait()
        time.sleep(2 * self._endpoint.delay)  # what was in flight is answered into the void
        return Killed(in_flight) if alive else None

    def finish(self, results: Path) -> bytes:
        """Run to the end; the artifact."""
        process = self.start(results)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        (artifact,) = [path for path in results.glob("*.json") if not path.name.endswith(".meta.json")]
        return artifact.read_bytes()
