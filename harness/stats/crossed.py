"""Claims about other personas and other items: both are random, and each persona answers each item in both arms."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.model import Dataset
from harness.stats.blocked import Layout, layout
from harness.stats.results import GENERALISING, OTHER_ITEMS, AcrossItems, Estimate
from harness.stats.student import with_t_interval
from harness.stats.units import Units, mean_of_units

METHOD = "random personas and items (crossed ANOVA)"
PANELS_METHOD = "random panels and proposals (crossed ANOVA)"
ENOUGH_LEVELS = 6
"""Fewer panels (personas) or proposals (items) do not support a claim about others."""
ONE_ITEM = (
    f"not estimable from one item; items on one scale are analysed together, from {ENOUGH_LEVELS} of them on"
)
Differences = Mapping[tuple[int, int], float] | Mapping[tuple[int, str], float]
"""(persona, item) → treatment − control."""


@dataclass(frozen=True, slots=True)
class CrossedSquares:
    """Mean squares of a complete two-way table without repeats: rows, columns, and what is left."""

    rows: float
    columns: float
    rest: float
    sizes: tuple[int, int]
    mean: float

    @classmethod
    def of(cls, table: Sequence[Sequence[float]]) -> CrossedSquares:
        r, c = len(table), len(table[0])
        by_row = [fmean(row) for row in table]
        by_column = [fmean(column) for column in zip(*table, strict=True)]
        mean = fmean(by_row)
        rows = c * math.fsum((one - mean) ** 2 for one in by_row)
        columns = r * math.fsum((one - mean) ** 2 for one in by_column)
        whole = math.fsum((value - mean) ** 2 for row in table for value in row)
        rest = max(0.0, whole - rows - columns)
        return cls(rows / (r - 1), columns / (c - 1), rest / ((r - 1) * (c - 1)), (r, c), mean)

    @property
    def error(self) -> tuple[float, float]:
        """The variance of the mean where rows and columns are random, with Satterthwaite's degrees of freedom.

        A component that is estimated below 0 is taken as 0, which is careful.
        """
        r, c = self.sizes
        levels = ((self.rows, r - 1), (self.columns, c - 1))
        used = [(square, df) for square, df in levels if square > self.rest]
        used.append(((1 - len(used)) * self.rest, (r - 1) * (c - 1)))
        total = math.fsum(square for square, _ in used)
        spread = math.fsum(square**2 / df for square, df in used)
        return total / (r * c), total**2 / spread if spread else 1.0


def crossed(asked: Estimate, cells: Differences, confidence: float = 0.95) -> Estimate:
    """The mean difference with personas (rows) and items (columns) both random, from those who answered every item.

    The error is (MS rows + MS columns − MS rest) / cells: the persona × arm and item × arm variances of a model with
    random intercepts and slopes for both, as the quasi-F of Clark, J. Verbal Learning 12 (1973), has it. See also
    Judd, Westfall & Kenny, J. Personality and Social Psychology 103 (2012).
    """
    columns = sorted({column for _, column in cells}, key=repr)
    by_row: dict[Hashable, dict[Hashable, float]] = {}
    for (row, column), value in cells.items():
        by_row.setdefault(row, {})[column] = value
    table = [[found[column] for column in columns] for found in by_row.values() if len(found) == len(columns)]
    rows_name, columns_name = asked.unit.split(" and ")
    asked = replace(asked, n=min(len(table), len(columns)))
    if min(len(table), len(columns)) < ENOUGH_LEVELS:
        levels = f"{_counted(len(table), rows_name)} and {_counted(len(columns), columns_name)}"
        reason = f"not estimable: {levels} are too few levels, {ENOUGH_LEVELS} of each are needed"
        return replace(
            asked, reason=f"{reason}; more repetitions will not help; add {rows_name} or {columns_name}"
        )
    found = CrossedSquares.of(table)
    variance, df = found.error
    note = f"{len(table)} {rows_name} × {len(columns)} {columns_name}"
    if left := len(by_row) - len(table):
        note += f"; {left} {rows_name} without every answer are left out"
    return with_t_interval(replace(asked, note=note), found.mean, math.sqrt(variance), df, confidence)


def _counted(n: int, plural: str) -> str:
    return f"{n} {plural.removesuffix('s') if n == 1 else plural}"


def generalising(found: Layout, confidence: float = 0.95) -> Estimate:
    """The difference for other personas and proposals, both random; or why nothing is claimed for them."""
    cells = {(block.panel, block.proposal): block.difference for block in found.complete}
    if found.units.by_persona:
        asked = Estimate(METHOD, OTHER_ITEMS, "personas and items", 0)
        if len({item for _, item in cells}) == 1:
            return replace(asked, n=1, reason=ONE_ITEM)
    else:
        asked = Estimate(PANELS_METHOD, GENERALISING, "panels and proposals", 0)
    answer = crossed(asked, cells, confidence)
    if answer.p is None:
        return answer
    note = "as if they had been drawn at random; every persona counts alike"
    return replace(answer, note=f"{answer.note}; {note}")


def across_items(dataset: Dataset, arms: tuple[str, str], confidence: float = 0.95) -> list[AcrossItems]:
    """All items on one scale together, where each persona answers several: personas as units, then both random.

    Items are metrics with the same ends. A persona's value is the mean over the items that both arms have.
    """
    if not dataset.individual or dataset.between:
        return []
    found, units = [], Units.of(dataset)
    for ends, items in _batteries(dataset).items():
        cells: dict[tuple[int, str], float] = {}
        for item in items:
            by_persona = layout(dataset, item, *arms).by_unit
            cells |= {(panel, item): value for panel, value in by_persona.items()}
        by_row: dict[int, list[float]] = {}
        for (panel, _), value in cells.items():
            by_row.setdefault(panel, []).append(value)
        asked = Estimate(
            units.method("means over items"), f"{units.claim}, these items", units.noun, len(by_row)
        )
        both = crossed(Estimate(METHOD, OTHER_ITEMS, "personas and items", 0), cells, confidence)
        means = {panel: fmean(values) for panel, values in by_row.items()}
        primary = mean_of_units(asked, means, units, confidence)
        found.append(AcrossItems(*arms, ends, items, primary, both))
    return found


def _batteries(dataset: Dataset) -> dict[tuple[float, float], tuple[str, ...]]:
    """Ends of a scale → its metrics, where there are two or more; 0 to 1 is what an option of a choice has."""
    found: dict[tuple[float, float], tuple[str, ...]] = {}
    for metric in dataset.metrics:
        scale = dataset.scales.get(metric)
        ends = None if scale is None else scale.ends
        if ends is not None and ends != (0, 1):
            found[ends] = (*found.get(ends, ()), metric)
    return {ends: items for ends, items in found.items() if len(items) > 1}
