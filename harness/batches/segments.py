"""Segments: results of parts of a design or population, each with its denominator and a minimum n.

An experiment may write its segments to ``results/segments.json``: a list of objects with ``name``, ``metric``, ``unit``
(what n counts), ``total`` and ``segments``, each with ``name``, ``value`` and ``n``. Without that file, panels,
proposals and persons of the design are the segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from harness.batches.study_layout import read_json
from harness.batches.variant_outcomes import VariantOutcome
from harness.errors import HarnessError
from harness.model import Observation

MINIMUM = 5
"""Values that a segment needs before its mean is shown."""
FEWEST = 2
"""Analyses that a batch hands in, and segments that an analysis needs."""


@dataclass(frozen=True, slots=True)
class Segment:
    """``n`` is the segment's own denominator."""

    name: str
    value: float | None
    n: int


@dataclass(frozen=True, slots=True)
class SegmentAnalysis:
    """``metric`` by segment. The segments' n add up to ``total``, counted in ``unit``."""

    name: str
    metric: str
    unit: str
    total: int
    segments: tuple[Segment, ...]

    def problems(self, minimum: int = MINIMUM) -> list[str]:
        """Why it does not count as an analysis; empty when it does."""
        found = []
        counted = sum(one.n for one in self.segments)
        if counted != self.total:
            found.append(
                f"segments by {self.name}: their n add up to {counted} of {self.total} {self.unit}; expected one "
                "denominator for all shares of a table."
            )
        enough = [one for one in self.segments if one.n >= minimum and one.value is not None]
        if len(enough) < FEWEST:
            found.append(
                f"segments by {self.name}: {len(enough)} with {minimum} {self.unit} or more; expected {FEWEST}."
            )
        return found


_PLACES: tuple[tuple[str, Callable[[Observation], object]], ...] = (
    ("panel", lambda one: one.panel + 1),
    ("proposal", lambda one: one.proposal + 1),
    ("person", lambda one: one.person),
)


def by_place(found: Sequence[VariantOutcome], metric: str) -> list[SegmentAnalysis]:
    """``metric`` by panel, proposal and person, all variants and groups of a batch together."""
    kept = [o for one in found for o in one.dataset.of(metric) if o.value is not None]
    return [made for name, place in _PLACES if (made := _analysis(name, metric, kept, place)) is not None]


def _analysis(
    name: str, metric: str, kept: Sequence[Observation], place: Callable[[Observation], object]
) -> SegmentAnalysis | None:
    values: dict[object, list[float]] = {}
    for one in kept:
        if one.value is not None:
            values.setdefault(place(one), []).append(one.value)
    if len(values) < FEWEST or None in values:
        return None
    segments = tuple(
        Segment(f"{name} {key}" if isinstance(key, int) else str(key), fmean(own), len(own))
        for key, own in sorted(values.items(), key=lambda pair: (str(type(pair[0])), pair[0]))
    )
    return SegmentAnalysis(name, metric, f"values of {metric}", len(kept), segments)


def read(path: Path) -> list[SegmentAnalysis]:
    """The analyses in a ``segments.json``. Raises `HarnessError`."""
    expected = "a list of objects with name, metric, unit, total and segments (name, value, n)"
    content = read_json(path, expected)
    try:
        return [_read(one) for one in content]
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise HarnessError(f"{path}: {type(error).__name__}: {error!s:.100}; expected {expected}.") from error


def _read(one: dict[str, object]) -> SegmentAnalysis:
    segments = one["segments"]
    if not isinstance(segments, list) or not all(isinstance(each, dict) for each in segments):
        raise TypeError("segments is not a list of objects")
    made = tuple(
        Segment(str(s["name"]), None if s["value"] is None else float(s["value"]), _count(s["n"]))
        for s in segments
    )
    return SegmentAnalysis(str(one["name"]), str(one["metric"]), str(one["unit"]), _count(one["total"]), made)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is not a count")
    return value


def analyses(found: Sequence[VariantOutcome], metric: str, folders: Sequence[Path]) -> list[SegmentAnalysis]:
    """The segments in the experiment's results, else those of the design.

    Those of ``metric`` count, or all if it has none. Tables with the same name and metric are merged over all variants:
    their n add up.
    """
    paths = [folder / "segments.json" for folder in folders]
    own = [one for path in paths if path.exists() for one in read(path)]
    chosen = [one for one in own if one.metric == metric] or own
    together: dict[tuple[str, str, str], list[SegmentAnalysis]] = {}
    for one in chosen:
        together.setdefault((one.name, one.metric, one.unit), []).append(one)
    return [_pooled(tables) for tables in together.values()] or by_place(found, metric)


def _pooled(tables: Sequence[SegmentAnalysis]) -> SegmentAnalysis:
    first = tables[0]
    if len(tables) == 1:
        return first
    names = dict.fromkeys(segment.name for one in tables for segment in one.segments)
    segments = tuple(_of_name(name, tables) for name in names)
    unit = f"{first.unit}, over {len(tables)} variants"
    return SegmentAnalysis(first.name, first.metric, unit, sum(one.total for one in tables), segments)


def _of_name(name: str, tables: Sequence[SegmentAnalysis]) -> Segment:
    parts = [segment for one in tables for segment in one.segments if segment.name == name]
    counted = [(one.value, one.n) for one in parts if one.value is not None]
    n = sum(one.n for one in parts)
    whole = sum(count for _, count in counted)
    mean = sum(value * count for value, count in counted) / whole if whole else None
    return Segment(name, mean, n)
