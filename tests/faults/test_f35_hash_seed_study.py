"""F35: the same seed gives different results, because a set's order leaks in. Here: a whole batch."""

from __future__ import annotations

from pathlib import Path

from tests.support.studies import command, outcome

SWEEP = ("sweep", "races", "--path", "race.py", "--exp", "race", "--axis", "chunk-size", "2", "3")


def test_a_batch_does_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    found = []
    for seed in ("1", "271828"):
        folder = tmp_path / seed
        folder.mkdir()
        command(folder, "init", "races", PYTHONHASHSEED=seed)
        swept = command(folder, *SWEEP, PYTHONHASHSEED=seed)
        assert swept.returncode == 0, swept.stdout + swept.stderr
        found.append(outcome(folder / "runs/races"))
    assert found[0] == found[1]
