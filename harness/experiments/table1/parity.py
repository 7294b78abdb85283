"""Compare a notebook's settings with the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from harness.experiments.table1.notebook_contents import NotebookContents
from harness.experiments.table1.settings import ExperimentSettings


def differences(reading: NotebookContents, row: ExperimentSettings) -> tuple[str, ...]:
    """A sentence for every setting in which notebook and ``row`` differ: cell, their value, ours."""
    return tuple(
        f"{row.name}: {reading.notebook.path}, cell {_cell(reading.cells, item)}: "
        f"{item} is {_shown(item, theirs)}; ours is {_shown(item, ours)}."
        for item, theirs, ours in _compare("", reading.settings, row)
    )


def _compare(item: str, theirs: object, ours: object) -> Iterator[tuple[str, object, object]]:
    """The smallest differing parts, under dotted names."""
    if theirs == ours:
        return
    left, right = _parts(theirs), _parts(ours)
    if left is None or right is None or list(left) != list(right):
        yield item, theirs, ours
        return
    for name, part in left.items():
        yield from _compare(f"{item}.{name}".removeprefix("."), part, right[name])


def _parts(value: object) -> Mapping[str, object] | None:
    if isinstance(value, Mapping):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None


def _cell(cells: Mapping[str, int], item: str) -> int:
    """The cell of the item, or of the nearest item that it is part of."""
    while item not in cells:
        item = item.rpartition(".")[0]
    return cells[item]


def _shown(item: str, value: object) -> str:
    if value is None:
        return "all" if item.endswith((".people", ".proposals")) else "none"
    if isinstance(value, Mapping):
        return ", ".join(value)
    return repr(value)
