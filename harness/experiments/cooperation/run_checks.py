"""Validity checks over the decisions of a run: saturation, counts and coverage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.checks.checked_run import counts_by_arm, percent
from harness.model import Check, Level
from harness.records import FiledRun
from harness.stats.counts import Count, count_note

SATURATED = 0.95
"""An arm is saturated from this share of equal decisions on."""
COVERED, LEAST = 0.95, 0.50
"""Shares of decisions obtained: below the first an arm is a WARN, below the second a FAIL."""

Counts = Mapping[str, tuple[int, int]]


def examine(run: FiledRun) -> Iterator[Check]:
    """Check saturation, counts and coverage, over all decisions of each arm."""
    groups = run.design.groups
    records = [one.accepted for one in run.outcomes.values() if one.accepted is not None]
    decided = _counts(records, groups, "cooperations", "decisions")
    if decided:
        yield saturation(decided, groups)
        yield events(decided)
    asked = _counts(records, groups, "decisions", "decisions_asked")
    if asked:
        yield coverage(asked)


def saturation(decided: Counts, groups: Sequence[str]) -> Check:
    """FAIL if the first arm and another are at the same end of the scale: such a tie is not a finding."""
    ends = {arm: _end(events / of) for arm, (events, of) in decided.items() if of}
    high = {arm: end for arm, end in ends.items() if end}
    first = high.get(groups[0])
    tied = any(first == end for arm, end in high.items() if arm != groups[0])
    level = Level.FAIL if tied else Level.WARN if high else Level.PASS
    shares = [max(events, of - events) / of for events, of in decided.values() if of]
    said = f"cooperated: {counts_by_arm(decided)}"
    expected = f"less than {percent(SATURATED)} of decisions equal"
    return Check("saturation", level, said, max(shares, default=None), expected, "decisions")


def events(decided: Counts) -> Check:
    """The number of decisions of the rarer kind, whatever their share (F31)."""
    rarer = [Count(min(one, of - one), of) for one, of in decided.values()]
    note = count_note(rarer) or ""
    few = "too few" in note
    by_arm = {arm: (one.events, one.of) for arm, one in zip(decided, rarer, strict=True)}
    said = f"decisions of the rarer kind: {counts_by_arm(by_arm)}"
    total = float(sum(one.events for one in rarer))
    return Check(
        "events",
        Level.FAIL if few else Level.PASS,
        f"{said}; {note}" if few else said,
        total,
        "at least 5",
        "decisions",
    )


def coverage(asked: Counts) -> Check:
    """The share of decisions obtained; missing ones are excluded from every rate."""
    lowest = min(got / of for got, of in asked.values() if of)
    level = Level.PASS if lowest >= COVERED else Level.WARN if lowest >= LEAST else Level.FAIL
    return Check(
        "coverage",
        level,
        f"obtained: {counts_by_arm(asked)}",
        lowest,
        f"at least {percent(COVERED)}",
        "decisions",
    )


def _end(share: float) -> str:
    return "cooperation" if share >= SATURATED else "defection" if share <= 1 - SATURATED else ""


def _counts(records: Sequence[Mapping[str, Any]], groups: Sequence[str], part: str, whole: str) -> Counts:
    found = {}
    for group in groups:
        mine = [one for one in records if one.get("group") == group and part in one and whole in one]
        of = sum(int(one[whole]) for one in mine)
        if of:
            found[group] = (sum(int(one[part]) for one in mine), of)
    return found
