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
    contrasts: Comparisons = analysis.get("contrasts") or ()
    if contrasts or len({one["control"] for one in comparisons}) > 1:
        rows = [
            *(_row(one, f"{one['treatment']} - {one['control']}", one["primary"]) for one in comparisons),
            *(_row(one, one["name"], one["estimate"]) for one in contrasts),
        ]
        yield from _by_metric(f"Contrasts{mark}", rows)
    else:
        tables = grouped(comparisons, lambda one: str(one["treatment"]))
        claims = [_claim(mine) for mine in tables]
        for mine, claim, following in zip(tables, claims, [*claims[1:], ""], strict=False):
            yield from _against_control(mine, mark)
            if claim != following:  # said once for tables that share it
                yield from textwrap.wrap(claim, WIDTH)
    effects = analysis.get("effects") or ()
    if effects:
        rows = [_row(one, one["name"], one["estimate"]) for one in effects]
        yield from _by_metric(f"Effects of the factors{mark}", rows)


def _row(one: Mapping[str, Any], name: str, estimate: Mapping[str, Any]) -> Mapping[str, Any]:
    """A contrast in the shape of a comparison, with its metric and its ``name`` apart."""
    return {**one, "name": name, "primary": estimate}


def _by_metric(title: str, rows: Comparisons) -> Iterator[str]:
    """A table per metric with a line per contrast, then their adjustment and claim."""
    tested = [one for one in rows if one["primary"]["p"] is not None]
    first = (tested or rows)[0]["primary"]
    yield from textwrap.wrap(f"{title}, {first['method']}; unit: {first['unit']}", WIDTH)
    for mine in grouped(rows, lambda one: str(one["metric"])):
        yield from _table(mine[0]["metric"], [{**one, "metric": f"  {one['name']}"} for one in mine])
    named = [{**one, "metric": f"{one['metric']}, {one['name']}".replace(MINUS, "-")} for one in rows]
    yield from _reasons(named)
    adjusted = [one for one in named if one["p_adjusted"] is not None]
    if adjusted:
        text = f"{_adjustments(adjusted)} Claimed for {first['estimand']}. Details: harness analyse."
        yield from textwrap.wrap(text, WIDTH)


def _against_control(mine: Comparisons, mark: str) -> Iterator[str]:
    """The differences of one group from the first, or of the one pair that is compared."""
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


def _claim(mine: Comparisons) -> str:
    """How the p-values of a table are adjusted, and what they are claimed for; empty without any."""
    if all(one["primary"]["p"] is None for one in mine):
        return ""
    return f"{_adjustments(mine)} Claimed for {mine[0]['primary']['estimand']}. Details: harness analyse."


def _adjustments(mine: Comparisons) -> str:
    """The adjustment for multiple tests, naming the metrics where it differs between them."""
    found = grouped(mine, lambda one: str(one["adjustment"]))
    return " ".join(f"Adjusted{_of(same, mine)}: {same[0]['adjustment']}." for same in found)


def _table(name: str, mine: Comparisons) -> Iterator[str]:
    """A line per row, or two where its name is too long for a column."""
    head = interval_head(map(_interval, mine))
    yield from _cells(name, f"{'diff.':>8}{head:>20}{'df':>8}{'p':>10}{'adjusted':>10}")
    for one in mine:
        found = one["primary"]
        cells = f"{signed(found['difference']):>8}{span(_interval(one)):>20}"
        cells += f"{whole(found['df']):>8}{p_value(found['p']):>10}{p_value(one['p_adjusted']):>10}"
        yield from _cells(one["metric"], cells)


def _cells(name: str, cells: str) -> Iterator[str]:
    text = name.replace(MINUS, "-")
    if len(text) >= NAME:
        indent = " " * (len(text) - len(text.lstrip()))
        yield from textwrap.wrap(text, WIDTH, initial_indent="", subsequent_indent=f"{indent}  ")
        text = ""
    yield f"{text:<{NAME}}{cells}".replace(MINUS, "-")


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
