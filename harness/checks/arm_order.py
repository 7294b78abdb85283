"""Time: whether the arms were interleaved (F13), and whether scores drifted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from math import inf, sqrt
from statistics import correlation
from typing import Any

from harness.checks.checked_run import CheckedRun, Record, mean
from harness.model import Check, Level
from harness.stats.beta import two_sided_p
from harness.stats.results import ALPHA

LEAN, APART = 0.3, 0.9
"""|P(control's trial ends before the other's begins) − P(the reverse)|: a medium effect, and arms run in blocks."""
SURE = 2.58
"""The standard errors under random order that it must exceed: p < .01."""
FEWEST, FEWEST_DF = 8, 4
"""The fewest trials of an arm, and degrees of freedom, for which drift is tested."""

_Point = tuple[tuple[int, int], float, float]


def interleaving(subject: CheckedRun) -> Iterator[Check]:
    """Per pair of arms, the rank-biserial correlation between arm and time (Cliff's delta).

    Two trials that were under way at the same time count as tied, so that concurrency does not look like an order.
    """
    expected = f"at most {LEAN:g} in size; fails from {APART:g}"
    for control, other in subject.pairs:
        one, two = (_spans(subject.accepted(arm)) for arm in (control, other))
        about = f"{other} against {control}"
        if not one or not two:
            yield Check("order", Level.PASS, "the records have no timestamps", None, expected, about)
            continue
        lean = _lean(one, two)
        chance = SURE * sqrt((len(one) + len(two) + 1) / (3 * len(one) * len(two)))
        level = Level.PASS
        if abs(lean) > max(LEAN, chance):
            level = Level.FAIL if abs(lean) >= APART else Level.WARN
        first = control if lean > 0 else other
        said = (
            "the arms alternated"
            if level is Level.PASS
            else f"{first} ran first, so drift would look like an effect"
        )
        yield Check("order", level, f"{said} (r = {lean:+.2f})", lean, expected, about)


def drift(subject: CheckedRun) -> Iterator[Check]:
    """Per metric, the strongest rank correlation (Spearman) of an arm's trial means with their start.

    With several reps it is the partial one given the block (panel × proposal): blocks done in order are no drift.
    """
    tests = max(1, len(subject.data.metrics) * len(subject.arms))
    expected = f"no correlation with p < {ALPHA:g} over {tests} tests (Bonferroni)"
    for metric in subject.data.metrics:
        found = {arm: _correlation(_course(subject, metric, arm)) for arm in subject.arms}
        known = {arm: one for arm, one in found.items() if one is not None}
        if not known:
            said = f"fewer than {FEWEST} trials in each arm, or no variation within a block"
            yield Check("drift", Level.PASS, said, None, expected, metric)
            continue
        arm = min(known, key=lambda arm: known[arm][1])
        rho, p = known[arm]
        level = Level.WARN if p * tests < ALPHA else Level.PASS
        said = f"{arm}: rank correlation of scores with start time {rho:+.2f} (p = {p:.2g})"
        yield Check("drift", level, said, rho, expected, metric)


def _spans(records: Sequence[Record]) -> list[tuple[float, float]]:
    times = [(_seconds(record.get("started")), _seconds(record.get("ended"))) for record in records]
    return [(begin, end) for begin, end in times if begin is not None and end is not None]


def _seconds(moment: Any) -> float | None:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _lean(control: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]) -> float:
    ends, begins = sorted(end for _, end in control), sorted(begin for begin, _ in control)
    before = sum(bisect_right(ends, begin) for begin, _ in other)
    after = sum(len(begins) - bisect_left(begins, end) for _, end in other)
    return (before - after) / (len(control) * len(other))


def _course(subject: CheckedRun, metric: str, arm: str) -> list[_Point]:
    """Block, start and mean score of each trial of ``arm``; one block for all where there is one rep only."""
    scores: dict[tuple[Any, ...], list[float]] = {}
    for one in subject.due(metric, arm):
        if one.value is not None:
            scores.setdefault((one.panel, one.proposal, one.rep), []).append(one.value)
    blocked = subject.run.design.reps > 1
    found = []
    for record in subject.accepted(arm):
        block, begin = (record["panel"], record["proposal"]), _seconds(record.get("started"))
        mine = scores.get((*block, record["rep"]))
        if mine and begin is not None:
            found.append((block if blocked else (0, 0), begin, mean(mine)))
    return found


def _correlation(course: Sequence[_Point]) -> tuple[float, float] | None:
    """Partial rank correlation of score and start given the block, and its p by t on trials − blocks − 1."""
    blocks = [block for block, _, _ in course]
    df = len(course) - len({*blocks}) - 1
    if len(course) < FEWEST or df < FEWEST_DF:
        return None
    begins, scores = (
        _centred(_ranks(values), blocks)
        for values in ([begin for _, begin, _ in course], [score for _, _, score in course])
    )
    if not any(begins) or not any(scores):
        return None
    rho = max(-1.0, min(1.0, correlation(begins, scores)))
    t = rho * sqrt(df / (1 - rho**2)) if abs(rho) < 1 else inf
    return rho, two_sided_p(t, df)


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1; equal values share the mean of their ranks."""
    order = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(order)))}
    last = {value: place for place, value in enumerate(order)}
    return [(first[value] + last[value]) / 2 + 1 for value in values]


def _centred(ranks: Iterable[float], blocks: Sequence[tuple[int, int]]) -> list[float]:
    own: dict[tuple[int, int], list[float]] = {}
    paired = [(block, float(rank)) for block, rank in zip(blocks, ranks, strict=True)]
    for block, rank in paired:
        own.setdefault(block, []).append(rank)
    level = {block: mean(mine) for block, mine in own.items()}
    return [rank - level[block] for block, rank in paired]
