"""Accept or reject a proposal by what it saves on the same days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.stats.results import Estimate, Interval
from harness.stats.student import one_sample


@dataclass(frozen=True, slots=True)
class ProposalVerdict:
    """``deltas`` are old − new cost per day in cents, ``delta`` is their sum, ``why`` the reason of the decision.

    ``interval`` is the confidence interval of the mean delta, if requested and defined.
    """

    accepted: bool
    deltas: tuple[int, ...]
    delta: int
    why: str
    interval: Interval | None = None


def judge(old: Sequence[int], new: Sequence[int], confidence: float | None = None) -> ProposalVerdict:
    """Compare the costs of the new policy with those of the old one, day by day.

    Accepted iff the deltas sum to more than 0 and, with ``confidence``, the paired-t interval of their mean lies above
    0. An interval of the levels would bury the effect in the spread between days (F19). Differences that do not vary
    have no interval, so with ``confidence`` they accept nothing (F17).
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
