"""From the rows of a table to personas: names, attributes, weights and descriptions."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import ConfigurationError, expected_one_of
from harness.model import Persona
from harness.personas.tables import PeopleTable, Row, typed

NAME = "name"
AGENT_ID = "_id"
"""The column that names the agents of a sampled population."""
_SCALARS = (str, bool, int, float, type(None))


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table become what.

    ``name`` and ``weight`` are columns; ``rename`` maps columns to attributes. ``describe`` are the attributes that
    enter the prompt; ``None``: all, or none where ``description`` is a template. ``missing`` are texts that stand for
    no value.
    """

    name: str | None = NAME
    weight: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    describe: Sequence[str] | None = None
    description: str | None = None
    missing: Sequence[str] = ()

    @property
    def is_default(self) -> bool:
        return self == Columns()


def personas_of(table: PeopleTable, rows: Sequence[tuple[int, Row]], columns: Columns) -> list[Persona]:
    """The personas of ``rows``, each with its number in the table. Raises `ConfigurationError`."""
    values = _attributes(table, rows, columns)
    known = list(dict.fromkeys(name for one in values for name in one))
    _check(table.label, columns, known)
    names = _names(table.label, rows, values, columns)
    weights = _weights(table.label, rows, values, columns)
    template = Template(columns.description, known, table.label) if columns.description is not None else None
    described = _described(columns, known)
    hidden = {columns.weight, NAME, AGENT_ID} - {None}
    personas = []
    for name, weight, (_, row), one in zip(names, weights, rows, values, strict=True):
        specification: dict[str, Any] = {NAME: name}
        if template is not None:
            specification["description"] = template.filled({**one, NAME: name}, row.place)
        told = ((key, one.get(key)) for key in described if key not in hidden)
        specification |= {key: value for key, value in told if value is not None}
        attributes = {
            key: value
            for key, value in one.items()
            if key not in hidden and key != columns.name and isinstance(value, _SCALARS)
        }
        personas.append(
            Persona(
                name,
                specification,
                source=f"{table.label}, {row.place}",
                attributes=attributes,
                weight=weight,
            )
        )
    return personas


class Template:
    """A description with the names of columns in braces, which are replaced by a person's values and never evaluated.

    >>> Template("{name} lives in {region}.", ["name", "region"], "people.csv").filled(
    ...     {"name": "Ada", "region": "Leeds"}, "line 2"
    ... )
    'Ada lives in Leeds.'
    """

    def __init__(self, text: str, known: Sequence[str], label: str) -> None:
        self._label = label
        owner = f"{label}: description={text!r:.80}"
        try:
            self._parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ConfigurationError(
                f"{owner}: {error}; expected text with columns in braces, such as '{{name}} is {{age}}.'. Double a "
                "brace that is text."
            ) from None
        for _, name, form, conversion in self._parts:
            if name is not None and (form or conversion):
                raise ConfigurationError(
                    f"{owner}: {{{name}}} has a format; expected the name of a column alone in the braces."
                )
            if name is not None and name not in (*known, NAME):
                raise ConfigurationError(f"{owner}: {name!r} is not a column; {expected_one_of(name, known)}")

    def filled(self, values: Mapping[str, Any], place: str) -> str:
        """The description of one person. Raises `ConfigurationError` where a value is missing."""
        found = []
        for text, name, _, _ in self._parts:
            found.append(text)
            if name is not None:
                if values.get(name) is None:
                    raise ConfigurationError(
                        f"{self._label}, {place}: has no {name}, which the description names; expected a value. Fill "
                        "it in, leave the row out, or use describe=, which omits what is missing."
                    )
                found.append(str(values[name]))
        return "".join(found)


def cell_reader(columns: Columns, name: str) -> str:
    """The column of the attribute ``name``."""
    return next((column for column, renamed in columns.rename.items() if renamed == name), name)


def _attributes(
    table: PeopleTable, rows: Sequence[tuple[int, Row]], columns: Columns
) -> list[dict[str, Any]]:
    missing = set(columns.missing)
    found = [
        {
            columns.rename.get(name, name): None if isinstance(value, str) and value in missing else value
            for name, value in row.cells.all().items()
        }
        for _, row in rows
    ]
    if table.texts and found:
        for name in found[0]:
            if name != columns.name:
                for one, value in zip(found, typed(one[name] for one in found), strict=True):
                    one[name] = value
    return found


def _check(label: str, columns: Columns, known: Sequence[str]) -> None:
    """Refuse names of columns that are not there."""
    renamed = columns.rename.values()
    for column, name in columns.rename.items():
        if name not in known:
            raise ConfigurationError(
                f"{label}: rename={column!r}: no such column; {expected_one_of(column, known)}"
            )
        if list(renamed).count(name) > 1:
            raise ConfigurationError(f"{label}: rename gives {name!r} to two columns; expected one.")
    wanted = {"weight": columns.weight, "name": None if columns.name == NAME else columns.name}
    named = [*wanted.items(), *(("describe", name) for name in columns.describe or ())]
    for argument, wished in named:
        if wished is not None and wished not in known:
            raise ConfigurationError(
                f"{label}: {argument}={wished!r}: no such column; {expected_one_of(wished, known)}"
            )


def _described(columns: Columns, known: Sequence[str]) -> Sequence[str]:
    if columns.describe is not None:
        return columns.describe
    return () if columns.description is not None else [name for name in known if name != columns.name]


def _names(
    label: str, rows: Sequence[tuple[int, Row]], values: Sequence[Mapping[str, Any]], columns: Columns
) -> list[str]:
    """A name for each person: the column's, or ``person-0001`` by the row's number."""
    column = columns.name
    if column == NAME and not any(NAME in one for one in values):
        column = AGENT_ID if any(AGENT_ID in one for one in values) else None
    if column is None:
        return [f"person-{number:04d}" for number, _ in rows]
    names = ["" if one.get(column) is None else str(one[column]).strip() for one in values]
    places = [row.place for _, row in rows]
    if lacking := [place for place, name in zip(places, names, strict=True) if not name]:
        raise ConfigurationError(
            f"{label}: column {column!r} is empty in {_listed(lacking)}; expected a name for each person. Fill it in, "
            "or number the people with name=None."
        )
    if twice := list(_repeated(names, places)):
        more = f" (and {len(twice) - 1:,} more such rows)" if len(twice) > 1 else ""
        raise ConfigurationError(
            f"{label}: column {column!r} has {twice[0]}{more}; expected every name once. Choose a column that "
            "identifies people with name=, or number them with name=None."
        )
    return names


def _repeated(names: Sequence[str], places: Sequence[str]) -> Iterator[str]:
    first: dict[str, str] = {}
    for name, place in zip(names, places, strict=True):
        composed = unicodedata.normalize("NFC", name)
        if composed in first:
            yield f"{name!r:.60} in {first[composed]} and again in {place}"
        first.setdefault(composed, place)


def _weights(
    label: str, rows: Sequence[tuple[int, Row]], values: Sequence[Mapping[str, Any]], columns: Columns
) -> list[float]:
    if columns.weight is None:
        return [1.0] * len(rows)
    found = []
    for (_, row), one in zip(rows, values, strict=True):
        weight = one.get(columns.weight)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
            raise ConfigurationError(
                f"{label}, {row.place}: {columns.weight}={weight!r:.60}; expected a weight, a number of 0 or more."
            )
        found.append(float(weight))
    if not any(found):
        raise ConfigurationError(f"{label}: every {columns.weight} is 0; expected a weight above 0.")
    return found


def _listed(places: Iterable[str], most: int = 3) -> str:
    found = list(places)
    return ", ".join(found[:most]) + (f" and {len(found) - most:,} more" if len(found) > most else "")
