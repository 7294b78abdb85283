"""F36: a resumed run differs from an uninterrupted one. Here: a batch stopped by its budget, amid two variants."""

from __future__ import annotations

from pathlib import Path

from tests.support.studies import ASKING, Bench, bench, experiment, outcome

__all__ = ["bench"]


def study(root: Path, *stops: int) -> Path:
    made = Bench(root)
    made.experiment = experiment(play=ASKING)
    batch = made.declare(seeds=(0, 1))
    for calls in stops:
        assert made.run(batch, max_calls=float(calls)).code == 6
    assert made.run(batch).code == 0
    return made.study.folder


def test_a_batch_that_was_stopped_three_times_equals_one_that_was_not(bench: Bench, tmp_path: Path) -> None:
    stopped, whole = outcome(study(tmp_path / "a", 3, 10, 17)), outcome(study(tmp_path / "b"))
    for found in (stopped, whole):  # a stop is a row of its own; the last row is how it ended
        for name in [name for name in found if name.startswith("row")]:
            found[name] = found[name][-1:]
    assert stopped == whole
