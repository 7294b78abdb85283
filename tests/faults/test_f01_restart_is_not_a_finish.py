"""F01: a Control run that crashed is not finished by being started again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import harness.stats
from harness.records import RunRegistry, build, outcomes
from tests.support.records import SMALL, finished, trials

CONTROL = {"Control": {}}


def clock() -> datetime:
    return datetime(2025, 11, 20, tzinfo=UTC)


def test_starting_again_leaves_the_run_open_and_the_group_unfinished(tmp_path: Path) -> None:
    with RunRegistry(tmp_path, clock) as crashed:
        run = crashed.open("exp_3", {}, CONTROL, 2)
    with RunRegistry(tmp_path, clock) as again:
        joined = again.open("exp_3", {}, CONTROL, 2)
        assert (joined.id, joined.joined) == (run.id, True)
        assert [known.status for known in again.runs()] == ["open"]

    *all_but_one, last = trials(SMALL, groups=["Control"])
    records = [finished(trial, SMALL) for trial in all_but_one]
    artifact, _ = build("exp_3", outcomes(records), SMALL, stats=harness.stats)
    assert artifact["finished_experiments"] == []
    artifact, _ = build("exp_3", outcomes([*records, finished(last, SMALL)]), SMALL, stats=harness.stats)
    assert artifact["finished_experiments"] == ["Control"]
