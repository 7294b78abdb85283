"""The relational tables of the replication in one DuckDB file, rebuilt from the records each time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigurationError, HarnessError
from harness.records.writer import explained, make_directory
from harness.reports.data.arrays import table
from harness.reports.data.columns import EXPERIMENT, EXPERIMENTS, GROUP, METRIC, REHEARSAL, RUN, Column
from harness.reports.data.tables import Tables, read_tables
from harness.stats import compare, describe

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

STATS = (
    EXPERIMENT,
    RUN,
    REHEARSAL,
    GROUP,
    METRIC,
    Column("n", "whole", "Values obtained."),
    Column("missing", "whole", "Values due from accepted trials and not obtained."),
    Column("mean", "number", "Their mean."),
    Column("sd", "number", "Their sample standard deviation, n - 1."),
    Column("difference", "number", "Mean minus the first group's.", "empty in the first group"),
    Column("t", "number", "Welch's t, first group minus this one."),
    Column("df", "number", "Degrees of freedom, Welch-Satterthwaite."),
    Column("p", "number", "Welch's p, two-sided: scores taken as independent, for parity with the paper."),
    Column("undefined", "text", "Why a number is undefined."),
)
_SAMPLES = """
create table tt_metric_samples as
select experiment, run_id, rehearsal, "group", metric,
    row_number() over (partition by experiment, run_id, "group", metric order by panel, proposal, rep, place)
        as number,
    panel, proposal, rep, trial, person, value, reason, justification
from scores
order by experiment, run_id, "group", metric, number
"""
_VALUES = """
select experiment, run_id, "group", metric, value from tt_metric_samples
order by experiment, run_id, "group", metric, number
"""
_MAGIC = b"DUCK"
Values = dict[tuple[str, ...], list[float]]
Counts = dict[tuple[str, ...], int]


def build_database(results: Path, out: Path) -> dict[str, int]:
    """Write ``tt_experiments``, ``tt_metric_samples`` and ``tt_metric_stats`` into ``out``; rows by table.

    The file is replaced atomically. Raises `ConfigurationError` if ``out`` is not a DuckDB file, `HarnessError` when it
    cannot be written.
    """
    import duckdb

    _check(out)
    tables = read_tables(results)
    make_directory(out.parent)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    with explained(out, "write"):
        try:
            temporary.unlink(missing_ok=True)
            with duckdb.connect(str(temporary)) as connection:
                counts = _fill(connection, tables)
            temporary.replace(out)
        except duckdb.Error as error:
            raise HarnessError(f"Could not write {out}: {error}") from error
        finally:
            for rest in (temporary, temporary.with_name(f"{temporary.name}.wal")):
                with suppress(OSError):
                    rest.unlink(missing_ok=True)
    return counts


def _check(out: Path) -> None:
    if out.is_dir():
        raise ConfigurationError(f"{out} is a folder; expected the name of a file, such as tables.duckdb.")
    if not out.exists():
        return
    with explained(out, "read"), out.open("rb") as file:
        if file.read(12)[8:] not in (_MAGIC, b""):
            raise ConfigurationError(f"{out} exists and is not a DuckDB file; expected another name.")


def _fill(connection: duckdb.DuckDBPyConnection, tables: Tables) -> dict[str, int]:
    import numpy as np
    import pyarrow as pa

    scores = tables.scores
    places = pa.array(np.arange(scores.num_rows))
    connection.register("experiments", tables.experiments)
    connection.register("scores", scores.append_column("place", places))
    connection.execute("create table tt_experiments as select * from experiments order by experiment, run_id")
    connection.execute(_SAMPLES)
    connection.register("stats", _statistics(tables, connection))
    connection.execute("create table tt_metric_stats as select * from stats")
    for name in ("experiments", "scores", "stats"):
        connection.unregister(name)
    for name, columns in {"tt_experiments": EXPERIMENTS, "tt_metric_stats": STATS}.items():
        for one in columns:
            note = f"{one.meaning} {one.values}".strip().replace("'", "''")
            connection.execute(f"comment on column {name}.\"{one.name}\" is '{note}'")
    return {
        name: _count(connection, name) for name in ("tt_experiments", "tt_metric_samples", "tt_metric_stats")
    }


def _count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    found = connection.execute(f"select count(*) from {name}").fetchone()
    return int(found[0]) if found else 0


def _statistics(tables: Tables, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Each group of each run and metric: its size, mean and spread, and Welch's test against the first group."""
    values: dict[tuple[str, str, str, str], list[float]] = {}
    due: dict[tuple[str, str, str, str], int] = {}
    for *key, value in connection.execute(_VALUES).fetchall():
        place = (key[0], key[1], key[2], key[3])
        due[place] = due.get(place, 0) + 1
        values.setdefault(place, [])
        if value is not None:
            values[place].append(value)
    rows = []
    for run in sorted(tables.runs, key=lambda run: (run.experiment, run.run_id)):
        mine = (run.experiment, run.run_id)
        own: Values = {key[2:]: found for key, found in values.items() if key[:2] == mine}
        places: Counts = {key[2:]: count for key, count in due.items() if key[:2] == mine}
        groups, metrics = _order(run.design, own)
        for group in groups:
            for metric in metrics:
                about = {"experiment": run.experiment, "run_id": run.run_id, "rehearsal": run.rehearsal}
                rows.append(about | _row(groups[0], group, metric, own, places))
    return table(STATS, rows)


def _order(design: Any, own: Values) -> tuple[Sequence[str], Sequence[str]]:
    if design is not None:
        return design.groups, design.metrics
    return sorted({key[0] for key in own}), sorted({key[1] for key in own})


def _row(
    first: str,
    group: str,
    metric: str,
    own: Values,
    due: Counts,
) -> dict[str, Any]:
    mine = own.get((group, metric), [])
    described = describe(mine, due.get((group, metric), 0))
    row = {"group": group, "metric": metric, "sd": described["std"]}
    row |= {name: described[name] for name in ("n", "mean", "missing")}
    if group != first:
        row |= _test(own.get((first, metric), []), mine)
    return row


def _test(control: Sequence[float], mine: Sequence[float]) -> dict[str, Any]:
    if not control or not mine:
        return {"undefined": "no values to compare"}
    block, reasons = compare(control, mine)
    names = {"difference": "mean_difference", "t": "t_statistic", "df": "degrees_of_freedom", "p": "p_value"}
    why = "; ".join(f"{name}: {reasons[key]}" for name, key in names.items() if key in reasons)
    return {name: block[key] for name, key in names.items()} | {"undefined": why or None}
