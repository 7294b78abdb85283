"""Guards this repository's own tests; the plugin itself is registered by its entry point.

The guards are a hook and not fixtures, so that the cases of experiments keep fixtures without teardowns.
"""

from __future__ import annotations

import compileall
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness

pytest_plugins = ("pytester",)

LOOPBACK = ("127.", "::1", "localhost")
MEMORY, ROOM = "/dev/shm", 4 << 30
FOREIGN = ("OPENAI_", "ANTHROPIC_", "LANGSMITH_", "LANGCHAIN_", "SENTRY_", "HARNESS_")


if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)
"""Tests write some 500 MB of small files, each synced; on a disk that is a tenth of the suite's time."""


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package once before tests: the hundreds of processes that they start would each do so again."""
    if not hasattr(config, "workerinput") and config.option.markexpr != "experiment":
        compileall.compile_dir(Path(harness.__file__).parent, quiet=2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """No key or setting of the machine's reaches a test, and only loopback can be connected to."""
    if item.get_closest_marker("experiment"):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(FOREIGN):
                patch.delenv(name)
        if not item.get_closest_marker("tinytroupe"):
            patch.delenv("TINYTROUPE_REPO_DIR", raising=False)
        patch.setattr(socket.socket, "connect", _only_loopback(socket.socket.connect))
        return (yield)


def _only_loopback(connect):
    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and not str(host).startswith(LOOPBACK):
            raise AssertionError(f"a test connected to {host!r}; only loopback is allowed")
        connect(self, address)

    return guarded
