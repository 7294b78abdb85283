"""Outcomes one by one: scenario × group × repetition, for runs whose records name outcome and scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.model import Cell, Trial
from harness.records.reader import TrialHistory
from harness.reports.parts import Table
from harness.reports.run_report import RunReport
from harness.reports.run_tables import Captioned
from harness.stats.counts import Count

FAILED, UNPLAYED = "failed", "not played"
MARKS = {True: "✓", False: "✗", None: ""}


@dataclass(frozen=True, slots=True)
class GridCell:
    """One turn. ``good`` is what its record says of it; ``trial`` is where its transcript is, if there is one."""

    outcome: str
    good: bool | None
    trial: Trial | None

    @property
    def shown(self) -> str:
        return f"{self.outcome} {MARKS[self.good]}".strip()


@dataclass(frozen=True, slots=True)
class GridRow:
    """One scenario, in all groups and repetitions."""

    scenario: str
    category: str
    places: tuple[GridCell, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """``groups`` and ``reps`` in the order of the columns: all repetitions of a group together."""

    groups: tuple[str, ...]
    reps: int
    rows: tuple[GridRow, ...]
    part: str | None

    def table(self) -> Captioned:
        """The same without links."""
        heads = [f"{group} {rep}" for group in self.groups for rep in range(1, self.reps + 1)]
        rows = tuple((row.scenario, *(place.shown for place in row.places)) for row in self.rows)
        return Captioned(
            "Outcomes by scenario and repetition", Table(("Scenario", *heads), rows, 1 + len(heads))
        )


def grid(told: RunReport) -> Grid | None:
    """The grid of a run; ``None`` where its records name no outcomes of scenarios."""
    names = dict(_names(told))
    if not names:
        return None
    design = told.design
    chosen = range(design.proposals) if design.only is None else design.only
    rows = tuple(
        GridRow(*names.get(number, (f"scenario {number + 1}", "")), tuple(_places(told, number)))
        for number in chosen
    )
    part = None if design.only is None else f"A part: {len(rows)} of {design.proposals} scenarios."
    return Grid(design.groups, design.reps, rows, part)


def classes(found: Grid) -> Captioned:
    """How often each outcome came, per group, of all planned turns."""
    columns = [_column(found, place) for place in range(len(found.groups))]
    counts = [Counter(place.outcome for place in column) for column in columns]
    names = dict.fromkeys(name for count in counts for name, _ in count.most_common())
    rows = [
        (name, *(str(Count(count[name], len(column))) for count, column in zip(counts, columns, strict=True)))
        for name in names
    ]
    judged = [[place for place in column if place.good is not None] for column in columns]
    if any(judged):
        goods = (str(Count(sum(bool(place.good) for place in some), len(some))) for some in judged)
        rows.append(("appropriate", *goods))
    return Captioned("What the turns came to", Table(("Outcome", *found.groups), tuple(rows)))


def _column(found: Grid, group: int) -> Sequence[GridCell]:
    start = group * found.reps
    return [place for row in found.rows for place in row.places[start : start + found.reps]]


def _names(told: RunReport) -> Iterator[tuple[int, tuple[str, str]]]:
    """Number of a proposal → the scenario's name and category."""
    for outcome in told.run.outcomes.values():
        record = outcome.accepted
        if record is not None and isinstance(record.get("scenario_id"), str) and "outcome" in record:
            yield record["proposal"], (record["scenario_id"], str(record.get("category") or ""))


def _places(told: RunReport, number: int) -> Iterator[GridCell]:
    for group in told.design.groups:
        for rep in range(1, told.design.reps + 1):
            trial = Trial(Cell(told.experiment, group, rep), 0, number)
            yield _place(trial, told.run.outcomes.get(trial.id))


def _place(trial: Trial, outcome: TrialHistory | None) -> GridCell:
    if outcome is None:
        return GridCell(UNPLAYED, None, None)
    if outcome.accepted is None:
        return GridCell(FAILED, None, trial)
    return GridCell(str(outcome.accepted.get("outcome")), _good(outcome.accepted), trial)


def _good(record: Mapping[str, Any]) -> bool | None:
    good = record.get("appropriate")
    return good if isinstance(good, bool) else None
