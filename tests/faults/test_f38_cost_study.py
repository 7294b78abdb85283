"""F38: rerunning a finished run overwrites its cost with zero. Here: of a batch, its row included."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.studies import command, contents

SWEEP = ("sweep", "races", "--path", "race.py", "--exp", "race", "--axis", "chunk-size", "2", "3")


def test_running_a_finished_batch_again_keeps_what_it_took(tmp_path: Path) -> None:
    command(tmp_path, "init", "races")
    assert command(tmp_path, *SWEEP).returncode == 0
    study = tmp_path / "runs" / "races"
    before = contents(study)
    assert "12 of 12 trials, 12 calls" in (study / "registry" / "runs.csv").read_text()
    for _ in range(2):
        assert command(tmp_path, "run", "races").returncode == 0
    assert contents(study) == before
    for meta in study.glob("batches/*/variants/*/results/*.meta.json"):
        assert json.loads(meta.read_bytes())["usage"]["calls"] == {"answer": 12}
