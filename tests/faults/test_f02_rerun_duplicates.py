"""F02: a rerun adds no samples to those of a trial that has finished."""

from __future__ import annotations

import json
from pathlib import Path

import harness.stats
from harness.records import merge
from tests.support.records import SMALL, failed, finished, metadata, trials, write_file


def test_each_trial_counts_once_however_often_it_ran(tmp_path: Path) -> None:
    planned = list(trials(SMALL))
    first = [finished(trial, SMALL, lambda *_: 3, second=1) for trial in planned[:-1]]
    first.append(failed(planned[-1], second=1))
    again = [finished(trial, SMALL, lambda *_: 8, second=2) for trial in planned]
    paths = [
        write_file(tmp_path / "b.jsonl", metadata(), [*first, first[0]]),
        write_file(tmp_path / "a.jsonl", metadata("Treatment"), again),
    ]
    (path,) = merge(paths, stats=harness.stats)
    results = {
        group: entry["results"] for group, entry in json.loads(path.read_text())["experiments"].items()
    }
    assert results["Control"]["Fluency"] == [3] * 16
    assert results["Treatment"]["Fluency"] == [3] * 14 + [8] * 2
    meta = json.loads(path.with_suffix(".meta.json").read_text())
    assert meta["trials"]["attempts"] == 33
    assert meta["trials"]["duplicates"][planned[0].id] == 2
    assert len(meta["failures"]) == 1
