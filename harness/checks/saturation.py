"""Saturated (F16) and constant (F17) scores, which cannot distinguish arms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.checks.checked_run import CheckedRun, percent
from harness.model import Check, Level

SATURATED = 0.95
"""The share of an arm's scores at one value that counts as saturation."""
FEWEST = 10
"""The fewest scores of an arm for this check: with 9, all would have to be equal."""


def saturation(subject: CheckedRun) -> Iterator[Check]:
    """Per metric, the largest share of an arm's scores at one value.

    WARN if one arm is saturated; FAIL if control and another arm are, at the same value: their tie then comes from the
    scale. An option of a survey's item may be rare or common in every arm, and is a WARN then.
    """
    expected = f"less than {percent(SATURATED)} at one value"
    for metric in subject.data.metrics:
        modes = {arm: _mode(subject.scores(metric, arm)) for arm in subject.arms}
        known = {arm: mode for arm, mode in modes.items() if mode is not None}
        if not known:
            reason = f"fewer than {FEWEST} scores in each arm: too few to judge"
            yield Check("saturation", Level.PASS, reason, None, expected, metric)
            continue
        high = {arm: value for arm, (value, share) in known.items() if share >= SATURATED}
        tied = any(one in high and high.get(other) == high[one] for one, other in subject.pairs)
        tied = tied and not subject.is_option(metric)
        level = Level.FAIL if tied else Level.WARN if high else Level.PASS
        said = ", ".join(
            f"{percent(share)} at {value:g}{_end(subject, metric, value)} in {arm}"
            for arm, (value, share) in known.items()
        )
        number = max(share for _, share in known.values())
        yield Check("saturation", level, said, number, expected, metric)


def variance(subject: CheckedRun) -> Iterator[Check]:
    """Per metric, the arms whose scores are all equal, which leaves interval and test undefined."""
    for metric in subject.data.metrics:
        scores = {arm: subject.scores(metric, arm) for arm in subject.arms}
        constant = [arm for arm, values in scores.items() if len(values) > 1 and min(values) == max(values)]
        said = f"no variance in {', '.join(constant)}" if constant else "scores vary in every arm"
        level = Level.WARN if constant else Level.PASS
        yield Check("variance", level, said, len(constant), "0 arms with all scores equal", metric)


def _mode(values: Sequence[float]) -> tuple[float, float] | None:
    """The most common value and its share; ``None`` for too few values."""
    if len(values) < FEWEST:
        return None
    value, count = Counter(values).most_common(1)[0]
    return value, count / len(values)


def _end(subject: CheckedRun, metric: str, value: float) -> str:
    scale = subject.scale(metric)
    if scale is None or value not in scale:
        return ""
    return " (the floor)" if value == scale[0] else " (the ceiling)"
