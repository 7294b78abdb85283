"""Records as pandas data frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ConfigurationError
from harness.reports.data.answers import widened
from harness.reports.data.columns import TABLES
from harness.reports.data.people import with_attributes
from harness.reports.data.tables import Tables, read_tables

if TYPE_CHECKING:
    import pandas as pd

    from harness.humans import Humans
    from harness.humans.comparison import PeopleComparison


class Frames:
    """Data frames of a results folder, each made on first use.

    ``experiments`` has a row per run, ``trials`` per try of a trial (``accepted`` marks the one that counts),
    ``scores`` per value due (``value`` is NaN where ``reason`` says why), ``answers`` per answer to a survey, with the
    persona's weight and attributes (``answers_wide`` per persona, arm and repetition, with a column per item),
    ``people`` per persona, with weight and attributes, ``events`` per line of an accepted trial's transcript, ``calls``
    per reply in the journals present, with its request, and ``call_counts`` per try and kind of call. Columns are those
    of ``harness query``'s views; names that repeat (experiment, group, metric, …) are categorical. ``problems`` lists
    lines that could not be read. ``humans`` has people's own answers that were added beside the results.
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

    @property
    def humans(self) -> dict[str, Humans]:
        """People's answers that were added beside the results, by name."""
        from harness.humans.dataset import humans_in

        return humans_in(self._tables.folder)

    def compare_with(
        self,
        humans: Humans | str | None = None,
        experiment: str | None = None,
        *,
        seed: int = 0,
        draws: int = 1000,
    ) -> PeopleComparison:
        """Compare the newest run of a survey with people's answers, which are given, or added under that name.

        ``experiment`` names the survey where there are several. ``draws`` of people against people give the noise
        ceiling. Raises `HarnessError`.
        """
        from harness.humans.comparison import compared, survey_runs
        from harness.humans.dataset import humans_named

        folder, mine = self._tables.folder, [run.run_id for run in self._tables.runs]
        data = humans_named(folder, humans) if humans is None or isinstance(humans, str) else humans
        found = survey_runs([folder], [experiment] if experiment else (), mine if len(mine) == 1 else ())
        if len(found) > 1:
            names = [run.experiment for run in found]
            raise ConfigurationError(
                f"{folder}: holds {len(found)} surveys; expected one of {', '.join(names)}."
            )
        return compared(found[0], data, seed=seed, draws=draws)

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
