"""Keep a proposal or not: by what it saves on the very same days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.stats.results import Estimate, Interval
from harness.stats.student import one_sample


@dataclass(frozen=True, slots=True)
class ProposalVerdict:
    """``deltas`` are old − new cost of each day in cents, ``delta`` their sum; ``why`` says what decided.

    ``interval`` is of the mean delta, where a confidence was asked for and it is defined.
    """

    accepted: bool
    deltas: tuple[int, ...]
    delta: int
    why: str
    interval: Interval | None = None


def judge(old: Sequence[int], new: Sequence[int], confidence: float | None = None) -> ProposalVerdict:
    """Whether the new policy's costs are better than the old one's, day by day on the same days.

    Accepted iff the deltas sum to more than 0 and, with ``confidence``, the paired-t interval of their mean lies above
    0. An interval of the levels would hide in the spread between days what the proposal does (F19); differences
    that do not vary have no interval, and then nothing is accepted at that confidence (F17).
    """
    deltas = tuple(before - after for before, after in zip(old, new, strict=True))
    delta = sum(deltas)
    if delta <= 0:
        return ProposalVerdict(False, deltas, delta, "it saves nothing")
    if confidence is None:
        return ProposalVerdict(True, deltas, delta, "it saves on the sum")
    asked = Estimate("paired t", "mean saving per day", "days", len(deltas))
    found = one_sample(asked, deltas, confidence)
    if found.interval is None:
        return ProposalVerdict(False, deltas, delta, f"no interval of the differences: {found.reason}")
    above = found.interval.low > 0
    why = f"the interval of the differences {'excludes' if above else 'includes'} 0"
    return ProposalVerdict(above, deltas, delta, why, found.interval)
