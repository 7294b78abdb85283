"""The tables of a results folder, from which queries, frames, the database and bundles are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigurationError, expected_one_of
from harness.extras import require
from harness.records import record_files
from harness.records.artifact import number
from harness.records.comparisons import judgements
from harness.reports.data.answers import answers
from harness.reports.data.arrays import array, table
from harness.reports.data.calls import calls
from harness.reports.data.columns import CALL_COUNTS, COMPARISONS, EXPERIMENTS, PLACE, SCORES, TRIALS
from harness.reports.data.events import events
from harness.reports.data.people import people
from harness.reports.data.record_rows import Owner, RecordRows, Row, RunRows, gather, listed, whole

if TYPE_CHECKING:
    import pyarrow as pa


class Tables:
    """The tables by name, each made on first use. ``problems`` lists unreadable lines."""

    def __init__(self, gathered: RecordRows, folder: Path) -> None:
        self._gathered, self.folder = gathered, folder
        self.runs, self.problems = tuple(gathered.runs), tuple(gathered.problems)

    @cached_property
    def experiments(self) -> pa.Table:
        """One row per run."""
        return table(EXPERIMENTS, [_experiment(run) for run in self.runs])

    @cached_property
    def trials(self) -> pa.Table:
        """One row per try."""
        import pyarrow as pa

        chosen = {id(run) for run in self.runs}
        known = [id(row.get("run")) in chosen for row in self._gathered.rows]
        return self._tries if all(known) else self._tries.filter(pa.array(known, pa.bool_()))

    @cached_property
    def _tries(self) -> pa.Table:
        """The tries of all runs read, chosen or not, by number."""
        return table(TRIALS, self._gathered.rows)

    @cached_property
    def scores(self) -> pa.Table:
        """One row per value due from an accepted trial of the design."""
        import numpy as np
        import pyarrow as pa

        keep, absent = self._fitting()
        sizes = self._gathered.sizes
        numbers = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
        samples = self._gathered.samples
        if not keep.all():
            samples, numbers = samples.filter(pa.array(keep)), numbers[keep]
        if absent:
            numbers = np.concatenate([numbers, np.array([number for number, _ in absent])])
            samples = pa.concat_tables([samples, _absent(absent, samples.schema)])
        columns = {
            one.name: self._tries.column(one.name).combine_chunks().take(pa.array(numbers)) for one in PLACE
        }
        for name in ("metric", "person"):
            columns[name] = samples.column(name).unify_dictionaries()
        return pa.table({**columns, **{one.name: samples.column(one.name) for one in SCORES[-3:]}})

    @cached_property
    def events(self) -> pa.Table:
        """One row per event in the transcripts of accepted trials."""
        return events(self.runs)

    @cached_property
    def answers(self) -> pa.Table:
        """One row per answer to a survey in accepted trials."""
        return answers(self.runs)

    @cached_property
    def people(self) -> pa.Table:
        """One row per persona who took part, with a column per attribute."""
        return people(self.runs, self.folder)

    @cached_property
    def comparisons(self) -> pa.Table:
        """One row per planned pairwise comparison."""
        return table(COMPARISONS, [row for run in self.runs for row in _comparisons(run)])

    @cached_property
    def call_counts(self) -> pa.Table:
        """One row per try and kind of call."""
        rows = [
            {**row, "kind": kind, "calls": whole(count)}
            for row in self._rows
            for kind, count in row["calls_by_kind"].items()
        ]
        return table(CALL_COUNTS, rows)

    @cached_property
    def calls(self) -> pa.Table:
        """One row per reply in the journals present, with its request."""
        return calls(self.folder / "journal", [run.run_id for run in self.runs])

    def named(self, name: str) -> pa.Table:
        """The table called ``name``."""
        found: pa.Table = getattr(self, name)
        return found

    def choose(self, run_ids: Sequence[str]) -> None:
        """Keep only these runs. Raises `ConfigurationError` for an unknown one."""
        known = {run.run_id for run in self.runs}
        if unknown := [one for one in run_ids if one not in known]:
            raise ConfigurationError(
                f"Run {unknown[0]}: no records in {self.folder}; {expected_one_of(unknown[0], sorted(known))}"
            )
        self.runs = tuple(run for run in self.runs if run.run_id in run_ids)

    @property
    def _rows(self) -> Iterable[Row]:
        chosen = {id(run) for run in self.runs}
        return (row for row in self._gathered.rows if id(row.get("run")) in chosen)

    def _fitting(self) -> tuple[Any, list[tuple[int, Owner]]]:
        """A mask of the samples that are due, and the missing ones as (row number, owner)."""
        import numpy as np

        counted = np.zeros(len(self._gathered.rows), dtype=bool)
        drop: list[int] = []
        absent: list[tuple[int, Owner]] = []
        ends = np.cumsum(self._gathered.sizes, dtype=np.int64)
        fits = _Fits()
        for row in self._rows:
            if not row["accepted"] or row["planned"] is False:
                continue
            number = row["number"]
            counted[number] = True
            surplus, lacking = fits(row)
            begin = int(ends[number]) - row["samples"] if surplus else 0
            drop += [begin + place for place in surplus]
            absent += [(number, owner) for owner in lacking]
        keep = np.repeat(counted, self._gathered.sizes)
        keep[drop] = False
        return keep, absent


class _Fits:
    """The samples of a record that its design does not have, and those missing, cached: most records are alike."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int | None], tuple[list[int], list[Owner]]] = {}

    def __call__(self, row: Row) -> tuple[list[int], list[Owner]]:
        key = (id(row["owners"]), id(row["run"]), row["panel"])
        if key not in self._known:
            self._known[key] = _compared(row["owners"], row["run"], row["panel"])
        return self._known[key]


def _compared(owners: Sequence[Owner], run: RunRows, panel: int) -> tuple[list[int], list[Owner]]:
    due = None
    if run.design is not None:
        due = [(metric, who) for metric in run.design.metrics for who in run.design.expected(panel, metric)]
    seen: set[Owner] = set()
    surplus = []
    for place, owner in enumerate(owners):
        if owner in seen or (due is not None and owner not in due):
            surplus.append(place)
        seen.add(owner)
    return surplus, [owner for owner in due or () if owner not in seen]


def _absent(absent: Sequence[tuple[int, Owner]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    size = len(absent)
    return pa.table(
        {
            "metric": array("name", [owner[0] for _, owner in absent]),
            "person": array("name", [owner[1] for _, owner in absent]),
            "value": array("number", [None] * size),
            "reason": array("text", ["the record has no such sample"] * size),
            "justification": array("text", [None] * size),
        },
        schema=schema,
    )


def _comparisons(run: RunRows) -> Iterator[Row]:
    if run.design is None:
        return
    done = {row["trial"] for row in run.rows if row["accepted"]}
    for one in judgements(run.experiment, run.design, run.metadata, run.comparisons, done):
        first, second = one.answers or (None, None)
        yield {
            "experiment": run.experiment,
            "run_id": run.run_id,
            "rehearsal": run.rehearsal,
            "metric": one.metric,
            "earlier": one.arms[0],
            "later": one.arms[1],
            **{"rep": one.rep, "panel": one.panel, "proposal": one.proposal},
            "answer": first,
            "answer_swapped": second,
            "score": one.score,
            "reason": one.reason,
        }


def _experiment(run: RunRows) -> Row:
    population, script = run.said("population"), run.said("script")
    whose = population if isinstance(population, dict) else {}
    return {
        "experiment": run.experiment,
        "run_id": run.run_id,
        "rehearsal": run.rehearsal,
        **{
            name: run.said(name)
            for name in ("mode", "protocol", "engine", "provider", "model", "judge_model")
        },
        **{
            name: run.said(name)
            for name in ("fingerprint", "git_commit", "harness_version", "python_version")
        },
        "temperature": number(run.said("temperature")),
        "seed": whole(run.said("seed")),
        "provider_seed": whole(run.said("provider_seed")),
        "git_dirty": run.said("git_dirty") is True if run.said("git_dirty") is not None else None,
        "script_sha256": script.get("sha256") if isinstance(script, dict) else script,
        "population": whose.get("source"),
        "population_sha256": whose.get("sha256"),
        "people": whole(whose.get("people")),
        **_sizes(run),
        **_totals(run.rows),
        "files": len(run.files),
        "problems": run.unreadable,
    }


def _sizes(run: RunRows) -> Row:
    """The planned and the obtained numbers."""
    done = [row for row in run.rows if row["accepted"] and row["planned"] is not False]
    size: Row = {"tries": len(run.rows), "trials_finished": len(done)}
    size["scores_obtained"] = sum(row["samples"] - row["missing"] for row in done)
    if (design := run.design) is not None:
        size |= {"panels": len(design.panels), "proposals": design.proposals, "reps": design.reps}
        size |= {"groups": listed(design.groups), "metrics": listed(design.metrics)}
        trials = [one.panel for group in design.groups for one in design.trials(run.experiment, group)]
        each = [sum(len(design.expected(p, m)) for m in design.metrics) for p in range(len(design.panels))]
        size["trials_planned"] = len(trials)
        size["scores_planned"] = sum(each[panel] for panel in trials)
    return size


def _totals(rows: Sequence[Row]) -> Row:
    costs = [row["cost"] for row in rows]
    return {
        **{name: sum(row[name] or 0 for row in rows) for name in ("calls", "tokens_in", "tokens_out")},
        "cost": None if None in costs else sum(costs),
        "started": min((str(row["started"]) for row in rows if row["started"]), default=None),
        "ended": max((str(row["ended"]) for row in rows if row["ended"]), default=None),
    }


def read_tables(path: Path, runs: Sequence[str] = ()) -> Tables:
    """The tables of all runs, or of ``runs``, in ``path`` (a folder or one file). Raises `HarnessError`."""
    require("data", "Reading records as tables")
    tables = Tables(gather(record_files([path], or_none=True)), path if path.is_dir() else path.parent)
    if runs:
        tables.choose(runs)
    return tables
