"""F11: one score is copied to every repetition, and n is inflated. Here n counts scenarios, whatever is copied."""

from __future__ import annotations

from pathlib import Path

from harness.experiments.tool_variants.analysis import analyse
from tests.support.tool_runs import planted, told


def copied(variant: str, scenario: int, rep: int) -> bool:
    return bool(planted(0.4)(variant, scenario, 1))


def test_copies_are_no_evidence(tmp_path: Path) -> None:
    answers = [analyse(told(tmp_path / str(reps), copied, reps=reps)).comparisons[0] for reps in (1, 5)]
    assert answers[0].primary == answers[1].primary
    assert [one.primary.n for one in answers] == [20, 20]
    assert answers[0].spread == answers[1].spread


def test_what_is_inflated_by_them_says_so(tmp_path: Path) -> None:
    once, five_times = (analyse(told(tmp_path / str(n), copied, reps=n)).comparisons[0] for n in (1, 5))
    for few, many in zip(once.beside, five_times.beside, strict=True):
        assert (few.n, many.n, many.unit) == (40, 200, "calls")
        assert many.note == "treats calls as independent"
    assert (once.beside[1].p or 0) > 10 * (five_times.beside[1].p or 1)
