"""The process of extropy-run: which Python has it, what reaches it, how it is watched and ended."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.console import visible
from harness.errors import ConfigurationError

VERSION = "0.2.3"
ENGINE = f"extropy-run {VERSION}"
PYTHON = "HARNESS_EXTROPY_PYTHON"
"""The environment variable that names the interpreter of a virtual environment that has it."""
EVERY = 1.0
"""Seconds between two looks at how it does."""
PATIENCE = 5.0
"""Seconds that it has to end after a signal."""
MOST_LOG, LOG_END, SHOWN = 512 << 10, 64 << 10, 800
"""Bytes of its output that are kept from the start and from the end; characters of it in an error."""
HANDED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT")

_WHICH = "from importlib.metadata import version; print(version('extropy-run'))"
_RUN = """
import os, sys, threading
def live():
    os.read(0, 1)  # nothing is ever sent: this returns when the parent is gone
    os._exit(3)
threading.Thread(target=live, daemon=True).start()
from extropy.cli import app
app()
"""
_WAY_OUT = (
    "Install it in a separate environment, and name that environment's interpreter:\n"
    "    python3 -m venv extropy-venv\n"
    f"    extropy-venv/bin/pip install 'extropy-run=={VERSION}'\n"
    f'    export {PYTHON}="$PWD/extropy-venv/bin/python"'
)


async def interpreter(environ: Mapping[str, str] = os.environ) -> str:
    """The Python that has extropy-run 0.2.3. Raises `ConfigurationError`."""
    python = _named(environ)
    try:
        process = await asyncio.create_subprocess_exec(
            python, "-c", _WHICH, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=_base(environ),
        )  # fmt: skip
    except OSError as error:
        raise ConfigurationError(
            f"{PYTHON}={python}: cannot be run ({error.strerror}); expected a Python interpreter. {_WAY_OUT}"
        ) from None
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        raise ConfigurationError(f"{python}: did not say its version within 60 s. {_WAY_OUT}") from None
    finally:
        if process.returncode is None:
            process.kill()
    version = visible(out.decode("utf-8", "replace")).strip()[:40]
    if version != VERSION:
        there = f"has extropy-run {version}" if version and not process.returncode else "has no extropy-run"
        raise ConfigurationError(
            f"{python}: {there}; expected {VERSION}, whose files are known here. {_WAY_OUT}"
        )
    return python


def _named(environ: Mapping[str, str]) -> str:
    """As an absolute path, for it is started elsewhere; not resolved, for that would leave its environment."""
    named = environ.get(PYTHON, "")
    if named and not os.access(named, os.X_OK):
        raise ConfigurationError(
            f"{PYTHON}={named}: cannot be run; expected a Python interpreter. {_WAY_OUT}"
        )
    if not named and importlib.util.find_spec("extropy") is None:
        raise ConfigurationError(f"The engine {ENGINE} is not installed. {_WAY_OUT}")
    return str(Path(named).absolute()) if named else sys.executable


def _base(environ: Mapping[str, str]) -> dict[str, str]:
    """No key of the user's, no setting of a Python or a proxy."""
    return {
        **{name: environ[name] for name in HANDED_ON if name in environ},
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def environment(work: Path, address: tuple[str, str]) -> dict[str, str]:
    """All that reaches it: a separate home, and the gateway as the only way to a model."""
    home = work.absolute() / "home"
    return {
        **_base(os.environ),
        "HOME": str(home),
        **{f"XDG_{one}_HOME": str(home / one.lower()) for one in ("CONFIG", "CACHE", "DATA", "STATE")},
        "TMPDIR": str(work.absolute() / "tmp"),
        "NO_PROXY": "*",
        "COLUMNS": "200",
        "NO_COLOR": "1",
        "OPENAI_API_KEY": address[1],
        "OPENAI_BASE_URL": address[0],
        "SIMULATION_PROVIDER": "openai",
        "PIPELINE_PROVIDER": "openai",
    }


async def run(
    python: str,
    arguments: Sequence[str],
    work: Path,
    address: tuple[str, str],
    log: Log,
    look: Callable[[], None],
) -> int:
    """Run it, and return its exit code. ``address`` is the gateway's, with the token; ``look`` is called every second.

    The process and its children are always ended, also if ``look`` raises.
    """
    process = await asyncio.create_subprocess_exec(
        python, "-c", _RUN, *arguments, cwd=work, env=environment(work, address), start_new_session=True,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    reading = asyncio.ensure_future(log.read(process.stdout))
    ended = asyncio.ensure_future(process.wait())
    try:
        while not (await asyncio.wait([ended], timeout=EVERY))[0]:
            look()
    finally:
        await asyncio.shield(_end(process))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reading, PATIENCE)
    look()
    return await ended


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and all that it has started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, how)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), PATIENCE)


class Log:
    """What it prints, bounded: the start and the end of it, without the token."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._first = bytearray()
        self._last: deque[bytes] = deque(maxlen=LOG_END >> 12)
        self._size = 0

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Read to its end, however much it is."""
        while piece := await stream.read(1 << 12):
            self._size += len(piece)
            if len(self._first) < MOST_LOG:
                self._first += piece
            else:
                self._last.append(piece)

    def content(self) -> bytes:
        """What is kept of it."""
        last = b"".join(self._last)
        left_out = self._size - len(self._first) - len(last)
        gap = b"\n[... %d bytes left out ...]\n" % left_out if left_out else b""
        whole = bytes(self._first) + gap + last
        return whole.replace(self._token, b"[token]") if self._token else whole

    def end(self) -> str:
        """Its last words, fit to be shown."""
        said = visible(self.content().decode("utf-8", "replace")).strip()
        return said[-SHOWN:] or "(nothing)"
