"""Results by segment: every share is of the agents in the segment with a value, and gives their number."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, quantiles
from typing import Any

from harness.errors import ConfigurationError
from harness.experiments.population.formats.scenario import OutcomeSpec, ScenarioSpec
from harness.experiments.population.simulation.results import distribution

SEGMENTS = "segments.json"
"""The file with the output of `by_attributes`, next to the results, for `harness study finish`."""
MOST_ATTRIBUTES, MOST_VALUES = 12, 8
"""The most attributes with segments, those that matter for the decision first; numbers with more values are cut."""
MIN_N = 30
"""The default number of values below which a segment shows no shares."""


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment: ``n`` agents, of whom ``aware`` heard and ``answered`` have a value, which ``figures`` summarise.

    ``figures`` is ``None``, with a ``reason``, if there are too few.
    """

    segment: str
    n: int
    aware: int
    answered: int
    figures: Mapping[str, float] | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SegmentView:
    """One outcome by the values of one attribute, all agents together first."""

    outcome: str
    attribute: str
    min_n: int
    rows: tuple[SegmentRow, ...]


def view(
    states: Sequence[Mapping[str, Any]], outcome: OutcomeSpec, by: str, min_n: int = MIN_N
) -> SegmentView:
    """``outcome`` by ``by``: an attribute, or ``age:30,65`` for a number with cuts. Raises `ConfigurationError`."""
    attribute, cuts = _parsed(by)
    known = states[0]["attributes"]
    if attribute not in known:
        names = ", ".join(sorted(known))
        raise ConfigurationError(f"Segment {by!r}: unknown attribute {attribute!r}; expected one of {names}.")
    if not cuts and any(isinstance(one["attributes"][attribute], float) for one in states):
        raise ConfigurationError(
            f"Segment {by!r}: {attribute!r} is a number; expected where to cut it: {attribute}:1,2."
        )
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for one in states:
        parts.setdefault(_segment(one["attributes"][attribute], cuts), []).append(one)
    rows = [
        _row(name, parts[name], outcome, min_n) for name in sorted(parts, key=lambda name: _place(name, cuts))
    ]
    return SegmentView(outcome.name, attribute, min_n, (_row("all", states, outcome, min_n), *rows))


def overall(states: Sequence[Mapping[str, Any]], outcome: OutcomeSpec, min_n: int = MIN_N) -> SegmentView:
    """``outcome`` of all agents together."""
    return SegmentView(outcome.name, "", min_n, (_row("all", states, outcome, min_n),))


def _parsed(by: str) -> tuple[str, tuple[float, ...]]:
    attribute, _, text = by.partition(":")
    try:
        cuts = tuple(float(one) for one in text.split(",")) if text else ()
    except ValueError:
        raise ConfigurationError(
            f"Segment {by!r}: expected an attribute, or one with cuts as in age:30,65."
        ) from None
    if list(cuts) != sorted(set(cuts)) or not all(map(math.isfinite, cuts)):
        raise ConfigurationError(f"Segment {by!r}: expected cuts in rising order, each a number.")
    return attribute, cuts


def _segment(value: Any, cuts: tuple[float, ...]) -> str:
    if value is None:
        return "(none)"
    if not cuts:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(
            f"Segment: {value!r:.40} is not a number; expected an attribute of numbers for cuts."
        )
    return _names(cuts)[sum(value >= cut for cut in cuts)]


def _names(cuts: tuple[float, ...]) -> list[str]:
    inner = [f"{low:g} to under {high:g}" for low, high in pairwise(cuts)]
    return [f"under {cuts[0]:g}", *inner, f"{cuts[-1]:g} and over"]


def _place(name: str, cuts: tuple[float, ...]) -> tuple[int, float, str]:
    if cuts and name in _names(cuts):
        return _names(cuts).index(name), 0.0, name
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def _row(name: str, states: Sequence[Mapping[str, Any]], outcome: OutcomeSpec, min_n: int) -> SegmentRow:
    if min_n < 1:
        raise ConfigurationError(f"min_n {min_n}: expected 1 or more.")
    final = [one["final_state"] for one in states]
    values = [one["outcomes"][outcome.name] for one in final if one["outcomes"].get(outcome.name) is not None]
    aware = sum(bool(one["aware"]) for one in final)
    if len(values) < min_n:
        return SegmentRow(name, len(states), aware, len(values), None, f"fewer than {min_n} answered")
    return SegmentRow(name, len(states), aware, len(values), distribution(outcome, values))


def by_attributes(
    states: Sequence[Mapping[str, Any]], scenario: ScenarioSpec, positions: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The metrics of a simulation by the agents' attributes, as in segments.json.

    Per attribute: ``aware`` of all agents, ``sentiment`` of those who reasoned, and the shares of ``positions``
    (metric → option) of those with a position. A segment's ``n`` is its denominator; the n of a table add up to its
    ``total``. Numbers with many values are cut at their quartiles; texts with many values are omitted.
    """
    return [
        {"name": name, "metric": metric, "unit": unit, **_table(states, segments, value)}
        for name, segments in _partitions(states, scenario.outcomes.decision_relevant_attributes)
        for metric, unit, value in _measures(positions)
    ]


def _measures(
    positions: Mapping[str, str],
) -> Iterator[tuple[str, str, Callable[[Mapping[str, Any]], float | None]]]:
    yield "aware", "agents", lambda final: float(bool(final["aware"]))
    yield "sentiment", "agents who reasoned", lambda final: final["sentiment"]
    for metric, option in positions.items():
        yield metric, "agents who hold a position", functools.partial(_holds, option)


def _holds(option: str, final: Mapping[str, Any]) -> float | None:
    return None if final["position"] is None else float(final["position"] == option)


def _partitions(
    states: Sequence[Mapping[str, Any]], first: Sequence[str]
) -> Iterator[tuple[str, list[tuple[str, list[int]]]]]:
    names = [*first, *(name for name in states[0]["attributes"] if name not in first)]
    found = 0
    for name in names:
        segments = _partition([one["attributes"].get(name) for one in states])
        if len(segments) > 1 and found < MOST_ATTRIBUTES:
            found += 1
            yield name, segments


def _partition(values: Sequence[Any]) -> list[tuple[str, list[int]]]:
    """Segments with the indices of their agents; empty if the values form none."""
    cuts: tuple[float, ...] = ()
    if len({str(one) for one in values}) > MOST_VALUES:
        numbers = [one for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
        if len(numbers) < len(values):
            return []
        cuts = tuple(dict.fromkeys(float(f"{one:.3g}") for one in quantiles(numbers, n=4)))
    parts: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        parts.setdefault(_segment(value, cuts), []).append(place)
    return sorted(parts.items(), key=lambda one: _place(one[0], cuts))


def _table(
    states: Sequence[Mapping[str, Any]],
    segments: Sequence[tuple[str, Sequence[int]]],
    value: Callable[[Mapping[str, Any]], float | None],
) -> dict[str, Any]:
    rows = []
    for name, places in segments:
        held = [one for place in places if (one := value(states[place]["final_state"])) is not None]
        rows.append({"name": name, "value": fmean(held) if held else None, "n": len(held)})
    return {"total": sum(row["n"] for row in rows), "segments": rows}
