"""Checks of a run beside people's answers: too little variance (F56), and subgroups that collapse."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model import Check, Level
from harness.reports.parts import grouped
from harness.stats.human_comparison.comparison import ItemComparison
from harness.stats.human_comparison.subgroups import SubgroupSpread
from harness.stats.human_comparison.survey_comparison import HumanComparison

ALIKE, FAR_ALIKE = 0.8, 0.5
"""The model's variance over people's below which answers are too alike: a warning, and a failure."""
COLLAPSED, CARICATURE = 0.5, 2.0
"""The model's spread of subgroups over people's below and above which subgroups are not people's."""


def human_checks(found: HumanComparison) -> list[Check]:
    """The checks of a comparison, one per item and kind."""
    return [
        *(_variance(some) for some in grouped(found.items, lambda one: one.item)),
        *(_subgroups(some) for some in grouped(found.spreads, lambda one: (one.item, one.attribute))),
    ]


def _variance(arms: Sequence[ItemComparison]) -> Check:
    """The arm whose answers are most alike, beside people's: an equal mean can hide that all personas agree."""
    expected = f"at least {ALIKE:g} of people's, or within 90 % of draws of people against people"
    known = [(one.spread.value, one) for one in arms if one.spread.value is not None]
    if not known:
        reason = arms[0].spread.reason or "no answers"
        return Check("variance beside people", Level.PASS, reason, None, expected, arms[0].item)
    ratio, worst = min(known, key=lambda one: one[0])
    noise = worst.spread.interval
    alike = ratio < ALIKE and (noise is None or ratio < noise.low)
    level = Level.PASS if not alike else Level.FAIL if ratio < FAR_ALIKE else Level.WARN
    said = "personas vary as people do" if not alike else "personas answer more alike than people"
    message = f"{said}: {_times(ratio)} people's variance in {worst.group}"
    return Check("variance beside people", level, message, ratio, expected, worst.item)


def _subgroups(arms: Sequence[SubgroupSpread]) -> Check:
    expected = (
        f"{COLLAPSED:g} to {CARICATURE:g} of people's, or within 90 % of draws of people against people"
    )
    about = f"{arms[0].item} by {arms[0].attribute}"
    worst, level = None, Level.PASS
    for one in arms:
        ratio, noise = one.ratio.value, one.ratio.interval
        if not one.people_differ or ratio is None or noise is None:
            continue
        collapsed = ratio < COLLAPSED and ratio < noise.low
        caricature = ratio > CARICATURE and ratio > noise.high
        if collapsed or caricature:
            worst, level = one, Level.WARN
            break
        worst = worst or one
    if worst is None or worst.ratio.value is None:
        said = "people's subgroups do not differ by more than chance"
        return Check("subgroups beside people", Level.PASS, said, None, expected, about)
    ratio = worst.ratio.value
    words = {
        True: "personas' subgroups answer alike where people's differ",
        False: "personas' subgroups differ more",
    }
    said = "subgroups differ as people's do" if level is Level.PASS else words[ratio < 1]
    message = f"{said}: {_times(ratio)} people's spread of subgroups in {worst.group}"
    return Check("subgroups beside people", level, message, ratio, expected, about)


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times"
