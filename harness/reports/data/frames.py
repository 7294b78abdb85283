"""Records as pandas data frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.reports.data.answers import widened
from harness.reports.data.columns import TABLES
from harness.reports.data.people import with_attributes
from harness.reports.data.tables import Tables, read_tables

if TYPE_CHECKING:
    import pandas as pd


class Frames:
    """Data frames of a results folder, each made on first use.

    ``experiments`` has a row per run, ``trials`` per try of a trial (``accepted`` marks the one that counts),
    ``scores`` per value due (``value`` is NaN where ``reason`` says why), ``answers`` per answer to a survey, with the
    persona's weight and attributes (``answers_wide`` per persona, arm and repetition, with a column per item),
    ``people`` per persona, with weight and attributes, ``events`` per line of an accepted trial's transcript, ``calls``
    per reply in the journals present, with its request, and ``call_counts`` per try and kind of call. Columns are those
    of ``harness query``'s views; names that repeat (experiment, group, metric, …) are categorical. ``problems`` lists
    lines that could not be read.
    """

    experiments: pd.DataFrame
    trials: pd.DataFrame
    scores: pd.DataFrame
    people: pd.DataFrame
    events: pd.DataFrame
    calls: pd.DataFrame
    call_counts: pd.DataFrame
    comparisons: pd.DataFrame

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.problems = tables.problems

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name not in TABLES:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        frame = vars(self)[name] = self._tables.named(name).to_pandas()
        return frame

    @cached_property
    def answers(self) -> pd.DataFrame:
        """One row per answer to a survey, with the persona's weight and attributes."""
        return with_attributes(self._tables.answers.to_pandas(), self.people)

    @cached_property
    def answers_wide(self) -> pd.DataFrame:
        """One row per persona, arm and repetition, with a column for each item (`answers.widened`)."""
        known = {one.name for one in TABLES["answers"]}
        return widened(self.answers, [name for name in self.answers.columns if name not in known])

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *TABLES]

    def __repr__(self) -> str:
        runs = ", ".join(f"{run.experiment} {run.run_id}" for run in self._tables.runs)
        return f"Frames({runs or 'no runs'})"


def load(path: Path | str = "results", *, runs: Sequence[str] = ()) -> Frames:
    """Load the record files in ``path`` (a results folder, or one file) as data frames; all runs, or those named.

    Raises `HarnessError`.

    >>> load("results").scores.groupby(["group", "metric"]).value.mean()  # doctest: +SKIP
    """
    return Frames(read_tables(Path(path), runs))
