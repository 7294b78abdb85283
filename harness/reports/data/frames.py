"""Records as pandas data frames, for analyses of one's own."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.reports.data.tables import Tables, read_tables

if TYPE_CHECKING:
    import pandas as pd


class Frames:
    """Data frames of what a results folder holds, each made when it is first asked for.

    Their columns are those of ``harness query``'s views; names that repeat (experiment, group, metric, person, …)
    are categorical. ``problems`` names the lines that could not be read.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.problems = tables.problems

    @cached_property
    def experiments(self) -> pd.DataFrame:
        """One row per run."""
        return self._frame("experiments")

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per try of a trial; ``accepted`` marks the one that counts."""
        return self._frame("trials")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per value that an accepted trial should give; ``value`` is NaN where ``reason`` says why."""
        return self._frame("scores")

    @cached_property
    def calls(self) -> pd.DataFrame:
        """One row per try and kind of model call."""
        return self._frame("calls")

    @cached_property
    def replies(self) -> pd.DataFrame:
        """One row per reply in the journals that are there."""
        return self._frame("replies")

    def _frame(self, name: str) -> pd.DataFrame:
        return self._tables.named(name).to_pandas()

    def __repr__(self) -> str:
        runs = ", ".join(f"{run.experiment} {run.run_id}" for run in self._tables.runs)
        return f"Frames({runs or 'no runs'})"


def load(path: Path | str = "results") -> Frames:
    """What the record files in ``path`` (a results folder, or one file) hold, as data frames. Raises `HarnessError`.

    >>> load("results").scores.groupby(["group", "metric"]).value.mean()  # doctest: +SKIP
    """
    return Frames(read_tables(Path(path)))
