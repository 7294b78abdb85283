"""Agents as columns: read leniently, so that a gate can say what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.errors import ConfigurationError

Array = np.ndarray[Any, Any]
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?")
LONGEST = 200
"""Characters of a text that are kept; no category is longer, and one long text must not widen a whole column."""


@dataclass(frozen=True, slots=True, eq=False)
class AgentColumn:
    """An attribute of all agents. ``kind`` is number, truth, text, mixed or empty; ``known`` is False where it is null.

    ``values`` are floats, booleans or texts of at most `LONGEST` characters; all False where kinds are mixed.
    ``whole`` says that every number is an integer, ``longest`` the length of the longest text.
    """

    kind: str
    values: Array
    known: Array
    whole: bool = False
    longest: int = 0


@dataclass(eq=False)
class AgentTable:
    """Agents of a file. ``faults`` counts rows that are not objects; no column has them."""

    ids: Sequence[Any]
    rows: Sequence[Mapping[str, Any]]
    names: Sequence[str]
    meta: Mapping[str, Any]
    faults: int = 0
    _columns: dict[str, AgentColumn] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> AgentColumn:
        """The attribute; empty for all agents where none has it."""
        if name not in self._columns:
            self._columns[name] = column_of([row.get(name) for row in self.rows])
        return self._columns[name]


def labels(column: AgentColumn) -> Array:
    """Values as texts that can be compared with options: ``true``, ``3``, ``2.5``."""
    if column.kind == "text":
        return column.values
    found, place = np.unique(column.values, return_inverse=True)
    return np.array([_label(value) for value in found.tolist()], dtype=str)[place]


def option_label(option: str, column: AgentColumn) -> str:
    """An option as its values are labelled; of ``5+`` an attribute of numbers has the number."""
    found = _NUMBER.search(option) if column.kind == "number" else None
    return _label(float(found[0])) if found else option[:LONGEST]


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def table_of(data: Any) -> AgentTable:
    """The agents in ``{meta, agents}`` or in a bare list. Raises `ConfigurationError`."""
    rows = data if isinstance(data, list) else data.get("agents") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ConfigurationError(
            'agents.json: expected {"meta": …, "agents": [{"_id": …}, …]} with one agent at least.'
        )
    sound = [row for row in rows if isinstance(row, dict)]
    meta = data.get("meta") if isinstance(data, dict) else None
    names = dict.fromkeys(name for row in sound for name in row if not name.startswith("_"))
    ids = [row.get("_id") for row in sound]
    return AgentTable(ids, sound, list(names), meta if isinstance(meta, dict) else {}, len(rows) - len(sound))


def column_of(values: Sequence[Any]) -> AgentColumn:
    """The column of one attribute's values, ``None`` where it is empty."""
    known = np.array([value is not None for value in values], dtype=bool)
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return AgentColumn("empty", np.zeros(len(values), dtype=bool), known)
    if kinds == {bool}:
        return AgentColumn("truth", np.array([bool(value) for value in values], dtype=bool), known)
    if kinds <= {int, float}:
        numbers = [0.0 if value is None else value for value in values]
        whole = all(float(value).is_integer() for value in numbers)
        return AgentColumn("number", np.array(numbers, dtype=float), known, whole)
    if kinds == {str}:
        longest = max(len(value) for value in values if value is not None)
        return AgentColumn(
            "text", np.array([(value or "")[:LONGEST] for value in values]), known, longest=longest
        )
    return AgentColumn("mixed", np.zeros(len(values), dtype=bool), known)
