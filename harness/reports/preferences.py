"""Pairwise comparisons in words and tables: for the session's summary, ``harness analyse`` and the report."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.reports.numbers import fixed, interval_head, p_value, percent, span
from harness.reports.parts import WIDTH, Heading, Items, Part, Table, aligned
from harness.stats.preferences import METHOD, UNIT
from harness.stats.results import Interval

Analyses = Sequence[Mapping[str, Any]] | Mapping[str, str]
"""`harness.stats.preferences.PreferenceAnalysis` as plain data of meta files, or the ``problem`` that prevented it."""


def preference_lines(analyses: Analyses, *, rehearsal: bool) -> Iterator[str]:
    """The comparisons in lines of at most 80 columns, where names allow."""
    for part in preference_parts(analyses, rehearsal=rehearsal):
        if isinstance(part, Table):
            yield from aligned(part)
        elif isinstance(part, Items):
            for text in part.texts:
                yield from textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")
        else:
            yield from textwrap.wrap(part.text if isinstance(part, Heading) else part, WIDTH)


def preference_parts(analyses: Analyses, *, rehearsal: bool) -> Iterator[Part]:
    """Per preference the question, a row per pair of arms, strengths of more than two, and what is claimed."""
    if isinstance(analyses, Mapping):
        yield f"No analysis of preferences: {analyses['problem']}"
        return
    for one in analyses:
        yield Heading(
            f"{one['metric']}{' (rehearsal)' * rehearsal}: pairwise comparison, blind, in both orders", 2
        )
        yield one["question"]
        pairs = one["pairs"]
        yield _win_rates(pairs)
        if one["strengths"]:
            yield _strengths(one["strengths"])
        yield Items(tuple(_notes(one, rehearsal=rehearsal)))
    if analyses:
        yield (
            f"Win rate: of the arm named first; a tie counts half, and so do answers that contradict each other. "
            f"p: {METHOD}; unit: {UNIT}; adjusted: {analyses[0]['pairs'][0]['adjustment']}."
        )


def preference_claims(analyses: Analyses) -> Iterator[str]:
    """What is claimed of each preference, in a sentence."""
    for one in analyses if not isinstance(analyses, Mapping) else ():
        yield f"{one['metric']}: {_claim(one, rehearsal=False)}"


def _win_rates(pairs: Sequence[Mapping[str, Any]]) -> Table:
    intervals = [_interval(one["interval"]) for one in pairs]
    head = ("arms", "n", "won", "tied", "lost", "win rate", interval_head(intervals), "p", "adjusted")
    rows = tuple(
        (
            f"{one['later']} : {one['earlier']}",
            *(str(one[name]) for name in ("made", "won", "tied", "lost")),
            fixed(one["rate"]),
            _unsigned(limits),
            p_value(one["p"]),
            p_value(one["p_adjusted"]),
        )
        for one, limits in zip(pairs, intervals, strict=True)
    )
    return Table(head, rows)


def _strengths(strengths: Sequence[Mapping[str, Any]]) -> Table:
    intervals = [_interval(one["interval"]) for one in strengths]
    head: tuple[str, ...] = ("Bradley-Terry strength", "log", "SE", interval_head(intervals))
    rows = [
        (one["arm"], fixed(one["strength"]), fixed(one["se"]), span(limits))
        for one, limits in zip(strengths, intervals, strict=True)
    ]
    shown = 4 if any(intervals) else 2
    return Table(head[:shown], tuple(row[:shown] for row in rows))


def _notes(one: Mapping[str, Any], *, rehearsal: bool) -> Iterator[str]:
    yield _claim(one, rehearsal=rehearsal)
    contradicted, made = (sum(pair[name] for pair in one["pairs"]) for name in ("contradicted", "made"))
    if contradicted:
        yield f"{contradicted} of {made} comparisons were contradicted in the other order."
    for pair in one["pairs"]:
        if pair["reason"]:
            yield f"No test of {pair['later']} : {pair['earlier']}: {pair['reason']}."
    for reason, times in (one["missing"] or {}).items():
        yield f"{times} missing: {reason}."
    if one["strengths"]:
        first = one["strengths"][0]["arm"]
        errors = ", standard errors by blocks" if one["strengths"][-1]["se"] is not None else ""
        yield f"Strengths: log scale against {first}; ties by Davidson's model{errors}."
    if one["strengths_note"]:
        yield f"Bradley-Terry: {one['strengths_note']}."


def _claim(one: Mapping[str, Any], *, rehearsal: bool) -> str:
    position = one["position"]
    if rehearsal:
        return "No preference is claimed: a rehearsal."
    if position["level"] == "FAIL":
        rate = percent(position["first"] / position["decided"])
        return (
            "No preference is claimed: the judge follows the order. It preferred what was shown first in "
            f"{rate} of {position['decided']} decided answers."
        )
    found = [pair for pair in one["pairs"] if pair["preferred"]]
    if not found:
        return "No preference is shown, which does not prove that there is none."
    others = (pair["earlier"] if pair["preferred"] == pair["later"] else pair["later"] for pair in found)
    won = (f"{pair['preferred']} to {other}" for pair, other in zip(found, others, strict=True))
    return f"Preferred (adjusted p below .05): {', '.join(won)}."


def _interval(limits: Mapping[str, Any] | None) -> Interval | None:
    return Interval(**limits) if limits else None


def _unsigned(limits: Interval | None) -> str:
    return "–" if limits is None else f"{fixed(limits.low)} to {fixed(limits.high)}"
