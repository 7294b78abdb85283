"""A session that is killed while its run is created: the next one starts cleanly, whatever exists by then."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.gateway.journal.journal import Journal
from harness.records import Run, RunRegistry
from harness.records.registry.recovery import describe

pytestmark = pytest.mark.slow

SETTINGS = {"model": "m"}
GROUPS = {"Control": {"correction": None}}
KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from datetime import UTC, datetime
from harness.gateway.journal import file as journal_file
from harness.gateway.journal.journal import Journal
from harness.records import RunRegistry
from harness.records.registry import store
from harness.records.registry.recovery import describe

folder, point = Path(sys.argv[1]), sys.argv[2]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

owner, name = {
    "registry's first row": (store.Rows, "save"),
    "journal": (journal_file, "_create"),
    "journal's name": (Path, "replace"),
    "journal's first use": (journal_file.JournalFile, "_open"),
    "journal's description": (journal_file.JournalFile, "_describe"),
    "end": (RunRegistry, "close"),
    "registry": (store.RunStore, "_rebuild"),
}[point]
setattr(owner, name, die)
journal = Journal(folder / "journal")
with RunRegistry(folder, lambda: datetime(2025, 11, 20, tzinfo=UTC)) as registry:
    registry.open("exp", {"model": "m"}, {"Control": {"correction": None}}, 1,
                  prepare=lambda run: journal.open(run.id, about=describe(run)))
"""
POINTS = (
    "registry",
    "registry's first row",
    "journal",
    "journal's name",
    "journal's first use",
    "journal's description",
    "end",
)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.filterwarnings("error")
def test_a_kill_while_a_run_is_created_is_no_loss(tmp_path: Path, point: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), point],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (killed.returncode, killed.stderr) == (-9, "")
    journal, said = Journal(tmp_path / "journal"), list[str]()

    def prepare(run: Run) -> None:
        journal.open(run.id, about=describe(run))

    with RunRegistry(tmp_path, lambda: datetime(2025, 11, 21, tzinfo=UTC), say=said.append) as registry:
        run = registry.open("exp", SETTINGS, GROUPS, 1, prepare=prepare)
        file = journal.open(run.id, about=describe(run), expected=True)
        assert (run.joined, file.trials, said) == (point == "end", set(), [])
    file.close()
