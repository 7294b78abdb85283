"""The people of each run as a table: a row per person, with weight and attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.model import Participant
from harness.records.people import people_of
from harness.reports.data.arrays import array, clean, table
from harness.reports.data.columns import PEOPLE, Column, Kind
from harness.reports.data.record_rows import Row, RunRows

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_KEYS = ("experiment", "run_id", "person")
_LARGEST = 2**63


def people(runs: Sequence[RunRows], folder: Path) -> pa.Table:
    """One row per person of a run, and per arm where arms have their own people; a column per attribute."""
    rows, attributes = [], []
    for run in runs:
        for group, person in _participants(run, folder):
            rows.append(_row(run, group, person))
            attributes.append(person.attributes)
    found = table(PEOPLE, rows)
    known = dict.fromkeys(clean(str(name)) for one in attributes for name in one)
    for name, column in column_names(list(known)).items():
        values = [one.get(name) for one in attributes]
        found = found.append_column(column, array(kind_of(values), values))
    return found


def attribute_columns(found: pa.Table) -> list[Column]:
    """The columns of a table of people that its attributes have, for the codebook."""
    import pyarrow as pa

    kinds: list[tuple[Any, Kind]] = [
        (pa.types.is_boolean, "truth"),
        (pa.types.is_integer, "whole"),
        (pa.types.is_floating, "number"),
    ]
    return [
        Column(
            field.name,
            next((kind for fits, kind in kinds if fits(field.type)), "name"),
            "Attribute of the person.",
            "empty: unknown",
        )
        for field in list(found.schema)[len(PEOPLE) :]
    ]


def with_attributes(frame: pd.DataFrame, everyone: pd.DataFrame, names: Sequence[str] = ()) -> pd.DataFrame:
    """``frame``, which has experiment, run_id, group and person, with the weight and attributes of each person.

    ``names`` are the attributes; empty: all. One with the name of a column of ``frame`` becomes ``NAME_attribute``.
    """
    import pandas as pd

    chosen = list(names) or [one for one in everyone.columns if one not in {c.name for c in PEOPLE}]
    wanted = ["weight", *chosen]
    keys = [*_KEYS, "group"]
    plain = frame[keys].astype(object).reset_index(drop=True)
    right = everyone[[*keys, *wanted]].astype(dict.fromkeys(keys, object))
    shared = right[right["group"].isna()].drop(columns="group").drop_duplicates(list(_KEYS))
    own = right[right["group"].notna()].drop_duplicates(keys)
    found = plain.merge(shared, on=list(_KEYS), how="left")[wanted]
    if len(own):
        found = plain.merge(own, on=keys, how="left")[wanted].combine_first(found)[wanted]
    taken = {name: f"{name}_attribute" for name in wanted if name in frame.columns}
    return pd.concat([frame.reset_index(drop=True), found.rename(columns=taken)], axis=1)


def _participants(run: RunRows, folder: Path) -> Iterator[tuple[str | None, Participant]]:
    """Each person once; with the arm where arms differ in their people."""
    groups = people_of(folder, run.metadata)
    told = [line.get("group") for line in run.metadata]
    different = {id(one) for one in groups.values()}
    if len(different) == 1 and len(groups) == len(set(map(str, told))):
        groups = {"": next(iter(groups.values()))}
    if not groups and run.design is not None:
        names = dict.fromkeys(name for panel in run.design.panels for name in panel)
        groups = {"": {name: Participant(name) for name in names}}
    for group, everyone in groups.items():
        yield from ((group or None, person) for person in everyone.values())


def _row(run: RunRows, group: str | None, person: Participant) -> Row:
    return {
        "experiment": run.experiment,
        "run_id": run.run_id,
        "rehearsal": run.rehearsal,
        "group": group,
        "person": person.name,
        "weight": person.weight,
    }


def column_names(attributes: Sequence[str]) -> Mapping[str, str]:
    """Attribute → its column: its name, or ``NAME_attribute`` where that is taken, whatever its case.

    >>> column_names(["region", "Weight"])
    {'region': 'region', 'Weight': 'Weight_attribute'}
    """
    taken = {one.name.casefold() for one in PEOPLE}
    found: dict[str, str] = {}
    for name in attributes:
        column = name or "attribute"
        while column.casefold() in taken:
            column += "_attribute"
        taken.add(column.casefold())
        found[name] = column
    return found


def kind_of(values: Sequence[Any]) -> Kind:
    """The kind of column that holds all ``values``: numbers and truth values where they all are, else texts."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "truth"
    if kinds == {int} and all(value is None or abs(value) < _LARGEST for value in values):
        return "whole"
    return "number" if kinds and kinds <= {int, float} else "name"
