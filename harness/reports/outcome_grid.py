"""The outcome of each scenario × group × repetition, for runs whose records name outcome and scenario."""

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

FAILED, UNPLAYED = "failed", "not run"
MARKS = {True: "✓", False: "✗", None: ""}


@dataclass(frozen=True, slots=True)
class GridCell:
    """One trial. ``good`` is its recorded verdict; ``trial`` identifies its transcript, if there is one."""

    outcome: str
    good: bool | None
    trial: Trial | None

    @property
    def shown(self) -> str:
        return f"{self.outcome} {MARKS[self.good]}".strip()


@dataclass(frozen=True, slots=True)
class GridRow:
    """One scenario in all groups and repetitions."""

    scenario: str
    category: str
    places: tuple[GridCell, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The columns are all repetitions of the first group, then those of the next."""

    groups: tuple[str, ...]
    reps: int
    rows: tuple[GridRow, ...]
    part: str | None

    def table(self) -> Captioned:
        """The grid as a table, without links."""
        heads = [f"{group} {rep}" for group in self.groups for rep in range(1, self.reps + 1)]
        rows = tuple((row.scenario, *(place.shown for place in row.places)) for row in self.rows)
        return Captioned(
            "Outcomes by scenario and repetition", Table(("Scenario", *heads), rows, 1 + len(heads))
        )


def grid(report: RunReport) -> Grid | None:
    """The grid of a run; ``None`` if its records name no outcomes of scenarios."""
    names = dict(_names(report))
    if not names:
        return None
    design = report.design
    chosen = range(design.proposals) if design.only is None else design.only
    rows = tuple(
        GridRow(*names.get(number, (f"scenario {number + 1}", "")), tuple(_places(report, number)))
        for number in chosen
    )
    part = None if design.only is None else f"Partial run: {len(rows)} of {design.proposals} scenarios."
    return Grid(design.groups, design.reps, rows, part)


def classes(found: Grid) -> Captioned:
    """The count of each outcome per group, out of all planned trials."""
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
    return Captioned("Outcomes per group", Table(("Outcome", *found.groups), tuple(rows)))


def _column(found: Grid, group: int) -> Sequence[GridCell]:
    start = group * found.reps
    return [place for row in found.rows for place in row.places[start : start + found.reps]]


def _names(report: RunReport) -> Iterator[tuple[int, tuple[str, str]]]:
    """Proposal → the scenario's name and category."""
    for outcome in report.run.outcomes.values():
        record = outcome.accepted
        if record is not None and isinstance(record.get("scenario_id"), str) and "outcome" in record:
            yield record["proposal"], (record["scenario_id"], str(record.get("category") or ""))


def _places(report: RunReport, number: int) -> Iterator[GridCell]:
    for group in report.design.groups:
        for rep in range(1, report.design.reps + 1):
            trial = Trial(Cell(report.experiment, group, rep), 0, number)
            yield _place(trial, report.run.outcomes.get(trial.id))


def _place(trial: Trial, outcome: TrialHistory | None) -> GridCell:
    if outcome is None:
        return GridCell(UNPLAYED, None, None)
    if outcome.accepted is None:
        return GridCell(FAILED, None, trial)
    return GridCell(str(outcome.accepted.get("outcome")), _good(outcome.accepted), trial)


def _good(record: Mapping[str, Any]) -> bool | None:
    good = record.get("appropriate")
    return good if isinstance(good, bool) else None
