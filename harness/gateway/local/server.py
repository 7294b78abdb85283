"""The server of one model file: started for the first call, shared by all of this process, ended with its last user."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from harness.errors import ModelCallError
from harness.gateway.local.model_file import ModelFile

SLOTS = 1
"""Calls that the server answers at once.

On a processor two at once take longer than one after the other, and evict each other's prompts from the cache.
"""

THREADS = 1
"""Threads of one model: two spin against each other where cores are shared, and each call takes ten times as long."""

CONTEXT = 16_384
"""The most tokens of a prompt and its reply; a model that was trained with less has less."""

CACHE_MIB = 512
"""Memory for prompts of earlier calls, which are then not read again."""

DEATH_SECONDS = 0.5
"""How long after a failed call a dying process may take to be gone."""

EMBEDDED_TOKENS = 2_048
"""The longest text of which the server makes an embedding, the mean over its tokens."""

STOP_SECONDS = 3.0
"""How long the child may take to end before it is killed."""

TEMPLATE = Path(__file__).with_name("chatml_tools.jinja")
"""The chat template for models of the ChatML kind whose own leaves tools out."""

_CHILD = Path(__file__).with_name("child.py")
_ERRORS_READ = 4_000
_LONGEST_ERROR = 300
_PREFIX = re.compile(r"^[\d.]+ [A-Z] (?:\w+ )?(?:\w+ ?: )?")
"""What llama.cpp puts before a message: the time, the level, the part."""


class LocalServer:
    """A child process that serves ``file`` on loopback, with a key that only this process has."""

    def __init__(self, file: ModelFile, packages: Path) -> None:
        self.file = file
        self.key = secrets.token_urlsafe(24)
        self.users = 0
        self._packages = packages
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._address = ""
        self._starting = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The child's process id; ``None`` if there is none."""
        return None if self._process is None else self._process.pid

    @property
    def context(self) -> int:
        """Tokens that a prompt and its reply may have together."""
        return min(CONTEXT, self.file.context)

    def start(self) -> str:
        """The server's address, once it has loaded the model. Blocks until then.

        Raises `ModelCallError`, fatal, when the model cannot be loaded.
        """
        with self._starting:
            if not self._address:
                self._address = self._started()
            return self._address

    def _started(self) -> str:
        # In its own session: Ctrl-C at the terminal is for the parent, which waits for replies under way.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the child
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(self._wanted()).encode() + b"\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line.startswith(b"{") else {}
        if "address" in answer:
            return str(answer["address"])
        raise ModelCallError(self._refusal(str(answer.get("error", ""))), fatal=True)

    def _wanted(self) -> dict[str, Any]:
        return {
            "packages": str(self._packages),
            "path": str(self.file.path),
            "name": self.file.name,
            "key": self.key,
            "slots": SLOTS,
            "threads": THREADS,
            "context": self.context,
            "cache_mib": CACHE_MIB,
            "embedded_tokens": EMBEDDED_TOKENS,
            "template": self.file.needs_template and TEMPLATE.read_text("utf-8"),
        }

    def _refusal(self, said: str) -> str:
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)  # so that all of its last words are there
        ended = "" if said else f" The server's process {self._end_of()}."
        last = self._last_errors()
        return (
            f"Model 'local:{self.file.path}': the server could not load the model.{ended}"
            f"{f' {said.rstrip(chr(46))}.' if said else ''}{f' It wrote: {last}' if last else ''}"
        )

    def death(self) -> str:
        """What is known of a server that ended by itself, or is about to; empty while it lives."""
        if self._process is None:
            return ""
        try:
            self._process.wait(DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        last = self._last_errors()
        return f"the server's process {self._end_of()}{f'; it wrote: {last}' if last else ''}"

    def _end_of(self) -> str:
        assert self._process is not None
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return "was killed, most likely for want of memory: use a smaller model, or free some"
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def _last_errors(self) -> str:
        if self._errors is None:
            return ""
        size = self._errors.seek(0, 2)
        self._errors.seek(max(0, size - _ERRORS_READ))
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        said = [line for line in lines if "error" in line.lower()] or [line for line in lines if line.strip()]
        return _PREFIX.sub("", " ".join(said[0].split()))[:_LONGEST_ERROR] if said else ""

    def stop(self) -> None:
        """End the child. Closing the pipe does it; one that does not end in time is killed."""
        process, self._process, self._address = self._process, None, ""
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._errors is not None:
            self._errors.close()
            self._errors = None


_servers: dict[ModelFile, LocalServer] = {}
_sharing = threading.Lock()


def acquire(file: ModelFile, packages: Path) -> LocalServer:
    """The one server of ``file`` in this process, started or not. `release` it when it is not needed any more."""
    with _sharing:
        server = _servers.setdefault(file, LocalServer(file, packages))
        server.users += 1
        return server


def release(server: LocalServer) -> None:
    """Give back what `acquire` gave; the last user's stops the child."""
    with _sharing:
        server.users -= 1
        if server.users:
            return
        _servers.pop(server.file, None)
    server.stop()
