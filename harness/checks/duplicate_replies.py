"""Identical replies across arms or reps, which make trials dependent (F03, F43)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from harness.checks.checked_run import CheckedRun, percent
from harness.checks.transcript_trace import LONG, trace_of
from harness.model import Check, Level

SOME, MUCH = 0.01, 0.05
"""The share of long actions that occur elsewhere too. Independent replies have 0; a reply cache shared by both arms of
a debate repeats at least the introductions, a sixth of all turns."""
FEWEST = 3
"""The fewest copies for a FAIL: fewer may be quotations."""

Place = tuple[str, int]
"""Group and rep."""
Apart = Callable[[Place, Place], bool]


def identical(subject: CheckedRun) -> Iterator[Check]:
    """The share of long actions that another trial repeats verbatim, across reps of each arm and across arms."""
    places = _places(subject)
    for arm in subject.arms:
        if len({record["rep"] for record in subject.accepted(arm)}) > 1:
            yield _check(places, lambda one, other: one[1] != other[1], {arm}, f"reps of {arm}")
    for pair in subject.pairs:
        yield _check(places, lambda one, other: one[0] != other[0], set(pair), f"{pair[1]} and {pair[0]}")


def _places(subject: CheckedRun) -> Mapping[int, list[Place]]:
    """Mark of a long action → its trials' group and rep."""
    found: dict[int, list[Place]] = {}
    for arm in subject.arms:
        for record in subject.accepted(arm):
            for mark in trace_of(record)["said"]:
                found.setdefault(mark, []).append((arm, record["rep"]))
    return found


def _check(places: Mapping[int, list[Place]], apart: Apart, arms: set[str], about: str) -> Check:
    expected = (
        f"at most {percent(SOME)} of messages of {LONG} characters or more; fails above {percent(MUCH)}"
    )
    total = copies = 0
    for found in places.values():
        mine = [place for place in found if place[0] in arms]
        total += len(mine)
        if len(mine) > 1 and len(distinct := set(mine)) > 1:
            copies += sum(any(apart(one, other) for other in distinct) for one in mine)
    if not total:
        return Check(
            "identical replies", Level.PASS, "no message is long enough to compare", None, expected, about
        )
    said = f"{copies:,} of {total:,} long messages also occur verbatim in another trial"
    return Check("identical replies", _level(copies, copies / total), said, copies / total, expected, about)


def _level(copies: int, share: float) -> Level:
    if share > MUCH and copies >= FEWEST:
        return Level.FAIL
    return Level.WARN if share > SOME else Level.PASS
