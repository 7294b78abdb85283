"""A process that is killed while it writes loses nothing that it said it had written."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.records import stream
from harness.records.reader import Problem

WRITES_FOREVER = """
import sys
from pathlib import Path
from harness.records import JSONLWriter
writer = JSONLWriter(Path(sys.argv[1]), metadata={"type": "run_metadata"})
for number in range(10**9):
    writer.write({"number": number, "text": "x" * (number * 7919 % 20000)})
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_every_line_reported_is_readable_after_kill_9(tmp_path: Path, seed: int) -> None:
    path, moment = tmp_path / "a.jsonl", random.Random(seed).randrange(1, 400)
    with subprocess.Popen(
        [sys.executable, "-c", WRITES_FOREVER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        reported = [next(process.stdout) for _ in range(moment)]
        process.send_signal(signal.SIGKILL)
        reported += list(process.stdout)
    assert process.returncode == -signal.SIGKILL
    said = [int(line) for line in reported if line.endswith("\n")]
    problems: list[Problem] = []
    found = [record.get("number") for record in stream(path, problems)][1:]
    assert found[: len(said)] == said
    assert len(found) <= len(said) + 1
    assert all(problem.torn for problem in problems)
