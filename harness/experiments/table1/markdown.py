"""Table 1 as in the paper: a line each for Treatment, Control, their difference, p and its df."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal

from harness.experiments.table1.published_values import METRICS
from harness.experiments.table1.table import ExperimentTable, MetricRow
from harness.experiments.table1.validation import Miss
from harness.reports.numbers import NONE, fixed, p_value, signed, whole
from harness.reports.parts import Heading, Items, Part
from harness.reports.parts import Table as Grid
from harness.stats.results import AS_IF_SCORES

MARK = "†"
EXPLAINED = (
    "T and C: Treatment's and Control's mean (sample SD). Δ: T − C. p: Welch's t-test on raw scores, as in the paper, "
    f"with its degrees of freedom below; unit: scores; claimed for {AS_IF_SCORES}. Scores of one conversation or one "
    "persona are not independent; 'harness analyse' takes this into account."
)


def parts(tables: Sequence[ExperimentTable]) -> Iterator[Part]:
    """The table, with its notes below."""
    yield Heading("Table 1, computed from samples")
    heads = tuple(name.replace("_", " ").capitalize() for name in METRICS)
    yield Grid(("Experiment", "", *heads), tuple(_lines(tables)), left=2)
    yield EXPLAINED
    yield Items(tuple(note for one in tables for note in _notes(one)))


def verdict(
    tables: Sequence[ExperimentTable], absent: Sequence[str], misses: Sequence[Miss]
) -> Iterator[Part]:
    """The verdict of the comparison with the published values."""
    rows = sum(len(one.rows) for one in tables)
    if absent or misses:
        yield (
            f"NOT VALIDATED: {len(misses)} values differ from the published ones."
            if misses
            else "NOT VALIDATED."
        )
        yield Items((*(f"{name}: no artifact in the folder." for name in absent), *map(str, misses)))
        return
    agreed = f"all {rows} rows of {len(tables)} experiments agree with the published values"
    if all(one.artifact.run_id is None for one in tables):
        yield f"Computation reproduced: {agreed}. The samples are the published ones; no experiment was repeated."
    else:
        yield f"Within rounding: {agreed}. For a verdict on an effect see 'harness consistency'."


def _lines(tables: Iterable[ExperimentTable]) -> Iterator[tuple[str, ...]]:
    for one in tables:
        mark = " (REHEARSAL)" if one.dataset.rehearsal else ""
        rows = {row.metric: row for row in one.rows}
        cells = [rows.get(metric) for metric in METRICS]
        yield (f"{one.experiment}{mark}", "T", *(_mean(row, "t") for row in cells))
        yield (f"Na = {one.na}, Ne = {one.ne}", "C", *(_mean(row, "c") for row in cells))
        yield ("", "Δ", *(signed(_rounded(row.delta)) if row else "" for row in cells))
        yield ("", "p", *(p_value(row.p_value) if row else "" for row in cells))
        yield ("", "df", *(whole(row.df) if row else "" for row in cells))


def _mean(row: MetricRow | None, arm: str) -> str:
    if row is None:
        return ""
    mean, sd, n = (getattr(row, f"{arm}_{name}") for name in ("mean", "sd", "n"))
    mark = MARK if n < row.planned else ""
    return NONE if mean is None else f"{fixed(_rounded(mean))} ({fixed(_rounded(sd))}){mark}"


def _rounded(value: float | None) -> float | None:
    """Round to two decimals, halves away from zero, as in the paper: 5.805 to 5.81, −0.125 to −0.13."""
    if value is None:
        return None
    return float(Decimal(repr(value)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def _notes(one: ExperimentTable) -> Iterator[str]:
    origin = "published samples" if one.artifact.run_id is None else "our own run"
    yield " ".join((f"{one.experiment}: {one.artifact.path.name} ({origin}).", *one.notes))
    yield from (f"{MARK} {one.experiment}, {text}." for text in one.short)
