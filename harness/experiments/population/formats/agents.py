"""agents.json: ``{meta, agents: [{_id, …}]}``, in memory one array per attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import ConfigurationError, raise_if_any
from harness.experiments.population.formats.expressions import Array, Columns
from harness.experiments.population.formats.files import read_json, write_json

WHAT = "Agents"
ID = "_id"
MAX_ID = 100
MOST = 2**63 - 1
"""The largest whole number."""


@dataclass(frozen=True, slots=True)
class Agents:
    """A population drawn. ``columns`` has an array of ``len(ids)`` values per attribute: floats, integers, booleans
    or texts; ``None`` in a file is NaN among numbers and empty among texts.
    """

    ids: tuple[str, ...]
    columns: Columns
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self) -> list[dict[str, Any]]:
        """One mapping per agent, ``_id`` first, of Python's own values."""
        names = [ID, *self.columns]
        values = [self.ids, *(_plain(column) for column in self.columns.values())]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _plain(column: Array) -> list[Any]:
    values: list[Any] = column.tolist()
    return [None if value != value else value for value in values] if column.dtype.kind == "f" else values


def write_agents(path: Path, agents: Agents) -> None:
    """Write them. Raises `HarnessError`."""
    write_json(path, {"meta": dict(agents.meta), "agents": agents.rows()})


def read_agents(path: Path) -> Agents:
    """Read them; a bare list of agents is read too. Raises `ConfigurationError` with every fault."""
    data, owner = read_json(path, WHAT), f"{WHAT} {path}"
    rows = data if isinstance(data, list) else data.get("agents") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ConfigurationError(
            f'{owner}: expected {{"meta": …, "agents": [{{"_id": …}}, …]}} with one agent at least.'
        )
    raise_if_any(f"{owner}: {fault}" for fault in _row_problems(rows))
    names = [name for name in rows[0] if name != ID]
    columns = {name: _column([row[name] for row in rows], f"{owner}: {name}") for name in names}
    meta = data.get("meta") if isinstance(data, dict) else None
    return Agents(tuple(row[ID] for row in rows), columns, meta if isinstance(meta, dict) else {})


def _row_problems(rows: list[Any]) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()
    names = rows[0].keys() if isinstance(rows[0], dict) else set()
    for number, row in enumerate(rows):
        found += _faults_of_row(row, number, names, seen)
        if len(found) >= 20:
            return [*found, "… perhaps more; the first 20 are named."]
    return found


def _faults_of_row(row: Any, number: int, names: Any, seen: set[str]) -> Iterator[str]:
    if not isinstance(row, dict):
        yield f"agents.{number}: {row!r:.60}; expected an object."
        return
    name = row.get(ID)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID:
        yield f"agents.{number}: _id={name!r:.60}; expected a text of 1 to {MAX_ID} characters."
    elif name in seen:
        yield f"agents.{number}: _id={name!r} is another's already; expected each once."
    else:
        seen.add(name)
    for odd in sorted(row.keys() ^ names):
        yield f"agents.{number}: {'has' if odd in row else 'lacks'} {odd!r:.60}, unlike the first agent."


def _column(values: list[Any], owner: str) -> Array:
    present = [value for value in values if value is not None]
    if all(isinstance(value, str) for value in present):
        return np.array([value or "" for value in values], dtype=str)
    if all(isinstance(value, bool) for value in values):
        return np.array(values, dtype=bool)
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in present):
        raise ConfigurationError(
            f"{owner}: values of several kinds; expected numbers, texts or true and false."
        )
    if len(present) == len(values) and all(isinstance(value, int) for value in values):
        if max(values) > MOST:
            raise ConfigurationError(f"{owner}={max(values)}; expected whole numbers up to {MOST}.")
        return np.array(values, dtype=np.int64)
    return np.array([np.nan if value is None else value for value in values], dtype=float)
