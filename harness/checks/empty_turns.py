"""Turns in which a person neither thought nor spoke: silence is then what the arms are compared by."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.checked_run import CheckedRun, percent
from harness.checks.transcript_trace import trace_of
from harness.model import Check, Level

SOME, MOST = 0.05, 0.5
"""The share of an arm's turns. A person may have nothing to add, but can think so; at half, an arm hardly acts."""


def empty_turns(subject: CheckedRun) -> Iterator[Check]:
    """Per arm, the share of its people's turns that have no action. Arms without turns are left out."""
    for arm in subject.arms:
        counts = [trace_of(record)["turns"] for record in subject.accepted(arm)]
        empty, turns = (sum(numbers) for numbers in zip(*counts, strict=True)) if counts else (0, 0)
        if not turns:
            continue
        share = empty / turns
        level = Level.FAIL if share >= MOST else Level.WARN if share > SOME else Level.PASS
        said = f"{empty:,} of {turns:,} turns have no action"
        expected = f"at most {percent(SOME)} of turns; fails from {percent(MOST)}"
        yield Check("empty turns", level, said, share, expected, arm)
