"""What the benchmarks share: processes timed in turn, in an environment as users have it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path

Command = Sequence[str]
PYTEST = (sys.executable, "-m", "pytest")
_KEPT = {"harness", "repeat", "rerunfailures"}
"""pytest's plugins that load: this one and those that it requires."""
_UNSET = {"PYTHONDONTWRITEBYTECODE", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}


def environment() -> dict[str, str]:
    """Ours, but with Python's bytecode caches on, and pytest without the plugins that others installed."""
    others = sorted({point.name for point in entry_points(group="pytest11")} - _KEPT)
    kept_out = " ".join(f"-p no:{name}" for name in others)
    return {k: v for k, v in os.environ.items() if k not in _UNSET} | {"PYTEST_ADDOPTS": kept_out}


def run(command: Command, folder: Path) -> tuple[float, str]:
    """Wall seconds of one process from start to exit, and what it printed. Ends this script if it failed."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"Exit code {done.returncode} of: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return seconds, done.stdout


def alternating(ours: Callable[[], float], yardstick: Callable[[], float], runs: int) -> tuple[float, float]:
    """Medians of ``runs`` pairs, ours and yardstick in turn, so that a drift hits both. One pair warms up first."""
    ours(), yardstick()
    pairs = [(ours(), yardstick()) for _ in range(runs)]
    first, second = zip(*pairs, strict=True)
    return statistics.median(first), statistics.median(second)


def verdict(value: float, limit: float, unit: str) -> str:
    return f"{value:.2f} {unit} (limit {limit} {unit}: {'met' if value <= limit else 'MISSED'})"
