"""F33: what an interrupted session leaves says that it is a part, and the run stays open."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import harness.stats
from harness.records import RunRegistry, files_of_run, finished_trials, merge

SESSION = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from harness.records import RunRegistry, WriterPool
from tests.support.records import SMALL, finished, metadata, trials
results = Path(sys.argv[1])
registry = RunRegistry(results, lambda: datetime(2025, 11, 20, tzinfo=UTC), lambda: "aa")
run = registry.open("exp_3", {}, {"Control": {}}, 2)
pool = WriterPool(run.id, None, results_dir=results, timestamp="T",
                  metadata=lambda cell: metadata(cell.group, run_id=run.id, rep=cell.rep))
for trial in list(trials(SMALL))[:9]:
    cell = trial.cell
    pool.get(cell.experiment, cell.group, cell.rep).write(finished(trial, SMALL) | {"run_id": run.id})
    print(trial.id, flush=True)
sys.stdin.read()
"""


def test_a_killed_session_leaves_a_partial_artifact_and_an_open_run(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", SESSION, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        reported = [process.stdout.readline().strip() for _ in range(9)]
        process.send_signal(signal.SIGKILL)

    with RunRegistry(tmp_path, lambda: datetime(2025, 11, 21, tzinfo=UTC)) as registry:
        run = registry.open("exp_3", {}, {"Control": {}}, 2)
        assert (run.id, run.joined, run.status) == ("20251120T000000-aa", True, "open")
    files = files_of_run(tmp_path, "exp_3", run.id)
    assert finished_trials(files) == set(reported)

    (path,) = merge(files, stats=harness.stats)
    artifact = json.loads(path.read_text())
    meta = json.loads(path.with_suffix(".meta.json").read_text())
    assert artifact["finished_all_experiments"] is False
    assert artifact["finished_experiments"] == ["Control"]
    assert meta["partial"] is True
    assert meta["trials"]["finished"] == 9
    assert meta["warnings"][0] == "Treatment: 7 of 8 planned trials are not finished."
    assert len(meta["trials"]["outstanding"]["Treatment"]) == 7
