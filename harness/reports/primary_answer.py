"""The primary result of a run in a few lines, for the end of a session."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.reports.numbers import MINUS, interval_head, p_value, signed, span, whole
from harness.reports.parts import WIDTH, grouped
from harness.stats.results import Interval

NAME = 24
Comparisons = Sequence[Mapping[str, Any]]


def answer_lines(analysis: Mapping[str, Any]) -> Iterator[str]:
    """The primary estimate per metric, in lines of at most 80 columns where names allow.

    ``analysis`` comes from a meta file: `harness.stats.results.Analysis` as plain data, or the ``problem`` that
    prevented it.
    """
    if "problem" in analysis:
        yield from textwrap.wrap(f"No analysis: {analysis['problem']}", WIDTH)
        return
    mark = " (rehearsal)" if analysis["rehearsal"] else ""
    comparisons: Comparisons = analysis["comparisons"]
    for treatment in dict.fromkeys(one["treatment"] for one in comparisons):
        mine = [one for one in comparisons if one["treatment"] == treatment]
        yield from _against_control(mine, mark)
    yield from _effects(analysis.get("effects") or (), mark)


def _effects(effects: Sequence[Mapping[str, Any]], mark: str) -> Iterator[str]:
    """The contrasts of a factorial design, metric by metric."""
    if not effects:
        return
    yield f"Effects of the factors{mark}"
    for metric in dict.fromkeys(one["metric"] for one in effects):
        mine = [
            {"metric": f"  {one['name']}", "primary": one["estimate"], "p_adjusted": one["p_adjusted"]}
            for one in effects
            if one["metric"] == metric
        ]
        yield from _table(metric, mine)
    yield f"Adjusted: {effects[0]['adjustment']}."


def _against_control(mine: Comparisons, mark: str) -> Iterator[str]:
    first = mine[0]
    method, unit = first["primary"]["method"], first["primary"]["unit"]
    yield from textwrap.wrap(
        f"{first['treatment']} - {first['control']}{mark}, {method}; unit: {unit}", WIDTH
    )
    if all(one["primary"]["p"] is None for one in mine):
        yield from _reasons(mine)
        return
    yield from _table("metric", mine)
    yield from _reasons(mine)
    text = f"{_adjustments(mine)} Claimed for {first['primary']['estimand']}. Details: harness analyse."
    yield from textwrap.wrap(text, WIDTH)


def _adjustments(mine: Comparisons) -> str:
    """The adjustment for multiple tests, naming the metrics where it differs between them."""
    found = grouped(mine, lambda one: str(one["adjustment"]))
    return " ".join(f"Adjusted{_of(same, mine)}: {same[0]['adjustment']}." for same in found)


def _table(name: str, mine: Comparisons) -> Iterator[str]:
    head = interval_head(map(_interval, mine))
    yield f"{name:<{NAME}}{'diff.':>8}{head:>20}{'df':>8}{'p':>10}{'adjusted':>10}"
    for one in mine:
        found = one["primary"]
        line = f"{one['metric']:<{NAME}}{signed(found['difference']):>8}{span(_interval(one)):>20}"
        line += f"{whole(found['df']):>8}{p_value(found['p']):>10}{p_value(one['p_adjusted']):>10}"
        yield line.replace(MINUS, "-")


def _interval(one: Mapping[str, Any]) -> Interval | None:
    limits = one["primary"]["interval"]
    return limits and Interval(**limits)


def _reasons(mine: Comparisons) -> Iterator[str]:
    """Why there is no test, once per reason."""
    untested = [one for one in mine if one["primary"]["p"] is None]
    for same in grouped(untested, lambda one: str(one["primary"]["reason"])):
        reason = same[0]["primary"]["reason"] or "no reason given"
        yield from textwrap.wrap(f"  No test{_of(same, mine)}: {reason}", WIDTH, subsequent_indent="    ")


def _of(some: Comparisons, mine: Comparisons) -> str:
    return "" if len(some) == len(mine) else f" of {', '.join(one['metric'] for one in some)}"
