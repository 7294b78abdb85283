"""Reading populations: packaged ones, tables, TinyTroupe's files, and personas declared in code."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import ConfigurationError, raise_if_any
from harness.model import Draw, Experiment, Group, Persona
from harness.personas.arrow_tables import (
    arrow_file,
    frame_table,
    is_dataset_folder,
    is_parquet_folder,
    saved_dataset,
)
from harness.personas.documents import name_problems, plain_values, read_fragment, read_people, value_problems
from harness.personas.edsl_agents import SUFFIXES as EDSL_SUFFIXES
from harness.personas.edsl_agents import edsl_file, edsl_object
from harness.personas.fragments import merge
from harness.personas.population import Population, as_strata, sampler_of, step_of
from harness.personas.rows import NAME, Columns, cell_reader, personas_of
from harness.personas.sampling import Sampler, known_attributes
from harness.personas.sources import find_fragment, find_population, label
from harness.personas.tables import (
    ARROW_SUFFIXES,
    SUFFIXES,
    FileTable,
    PeopleTable,
    Row,
    plain_rows,
    rows_in_json,
)

MOST_NAMED = 20
"""Faulty people of a table, or repeated names, that are named."""
_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


def load(
    source: str | Path | Sequence[Persona] | Any,
    fragments: Sequence[str | Path] = (),
    *,
    folder: Path | None = None,
    sample: int | None = None,
    by: str | Sequence[str] = (),
    seed: int = 0,
    name: str | None = NAME,
    weight: str | None = None,
    rename: Mapping[str, str] | None = None,
    describe: Sequence[str] | None = None,
    description: str | None = None,
    missing: Sequence[str] = (),
    encoding: str | None = None,
    delimiter: str | None = None,
    split: str | None = None,
) -> Population:
    """Read a population, and merge ``fragments`` into each persona, in order.

    ``source`` is one of

    - the name of a packaged population, or with ``folder`` of one in ``folder/population``;
    - a table with a row per person: the path of a CSV, TSV, JSON lines, Parquet, Feather or Arrow file, or of a folder
      of Parquet files; a data frame of pandas or polars, a pyarrow table, a list of mappings; a dataset of Hugging
      Face's library, or the path of a folder that it saved (``split`` names one of several);
    - the path of a persona file in TinyTroupe's format, or of a directory of them, in which every ``*.json`` except
      ``*.fragment.json`` and hidden files is a persona; or the file of agents that ``harness population sample`` wrote;
    - agents of EDSL: an ``Agent`` or ``AgentList``, or the path of a file in which one is saved;
    - the personas themselves.

    A string is a path if it has a separator or a known ending.

    ``sample`` draws that many people, without reading the rest of a table into memory, in proportion to strata ``by``
    if given; see `Population.sample`.

    Of a table, ``name`` is the column that names people (``None``, or no such column: ``person-0001``, by row),
    ``weight`` that of their weights. Every other column is an attribute, called as ``rename`` has it. ``describe``
    lists the attributes that the prompt shows, in that order; by default all. With ``description``, a text with columns
    in braces (``"{name} is {age} years old."``), the prompt has that text, and only what ``describe`` lists besides.
    ``missing`` are texts that mean no value, as the empty text does. ``encoding`` and ``delimiter`` are recognised if
    not given (UTF-8, UTF-16, UTF-32; comma, semicolon, tab, bar).

    Raises `ConfigurationError` with every fault found; of a table with the first, by its line.

    >>> load([{"name": "Ada", "age": 34}], description="{name} is {age} years old.")[0].specification["description"]
    'Ada is 34 years old.'
    """
    shown = None if describe is None else as_strata(describe)
    columns = Columns(name, weight, rename or {}, shown, description, as_strata(missing))
    table = _table(source, encoding, delimiter, split)
    if table is not None:
        people = _from_table(table, columns, sample, as_strata(by), seed)
        return _merged(people, fragments, folder) if fragments else people
    _refuse_table_arguments(source, columns, encoding, delimiter, split)
    if isinstance(source, Population):
        people = _merged(source, fragments, folder) if fragments else source
    else:
        problems: list[str] = []
        personas, origin = _personas(source, folder, problems)
        raise_if_any([*problems, *_fragment_problems(fragments, folder), *_repeated(personas)])
        people = _merged(Population(personas, origin, ""), fragments, folder)
    return people if sample is None else people.sample(sample, by=by, seed=seed)


def _table(source: Any, encoding: str | None, delimiter: str | None, split: str | None) -> PeopleTable | None:
    """The table that ``source`` is; ``None`` for a source of another kind."""
    if isinstance(source, str | Path):
        try:
            return _table_at(Path(source), encoding, delimiter, split)
        except (OSError, ValueError):  # an impossible path, which the reader of persona files refuses by name
            return None
    if (agents := edsl_object(source)) is not None:
        return agents
    if isinstance(source, list | tuple):
        are_rows = bool(source) and all(isinstance(one, Mapping) for one in source)
        return plain_rows(source, "rows") if are_rows else None
    return frame_table(source, split)


def _table_at(
    path: Path, encoding: str | None, delimiter: str | None, split: str | None
) -> PeopleTable | None:
    suffix = path.suffix.lower()
    if suffix in ARROW_SUFFIXES or is_parquet_folder(path):
        return arrow_file(path)
    if suffix in SUFFIXES:
        return FileTable(path, encoding, delimiter)
    if suffix in (".json", *EDSL_SUFFIXES) and path.is_file():
        agents = edsl_file(path)
        return rows_in_json(path) if agents is None else agents
    return saved_dataset(path, split) if is_dataset_folder(path) else None


def _from_table(
    table: PeopleTable, columns: Columns, sample: int | None, strata: tuple[str, ...], seed: int
) -> Population:
    numbered = enumerate(table.rows, 1)
    steps: tuple[Draw, ...] = ()
    if sample is None:
        rows = list(numbered)
    else:
        rows, steps = _drawn(table, numbered, columns, sample, strata, seed)
    if not rows:
        raise ConfigurationError(f"{table.label}: has no rows; expected a row per person.")
    people = personas_of(table, rows, columns)
    raise_if_any(list(islice(_persona_problems(people), MOST_NAMED)))
    return Population(people, table.label, file_sha256=table.sha256, sampling=steps)


def _drawn(
    table: PeopleTable,
    rows: Iterable[tuple[int, Row]],
    columns: Columns,
    sample: int,
    strata: tuple[str, ...],
    seed: int,
) -> tuple[list[tuple[int, Row]], tuple[Draw, ...]]:
    sampler: Sampler[tuple[int, Row]] = sampler_of(sample, seed, strata, table.label)
    cells = [cell_reader(columns, name) for name in strata]
    if cells:
        for one in rows:
            sampler.offer(one, tuple(str(one[1].cells.get(column)) for column in cells))
    else:
        for one in rows:
            sampler.offer(one)
    found = sampler.drawn(table.label)
    known_attributes(cells, [row.cells.all() for _, row in found], table.label, "by")
    return found, (step_of(sample, sampler.offered, seed, strata),)


def _persona_problems(people: Iterable[Persona]) -> Iterator[str]:
    for one in people:
        yield from name_problems({"name": one.name}, one.source)
        yield from value_problems({**one.specification, **one.attributes}, one.source)


def _refuse_table_arguments(source: Any, columns: Columns, *further: str | None) -> None:
    if not columns.is_default or any(one is not None for one in further):
        raise ConfigurationError(
            f"Population {str(source)[:80]!r}: name=, weight=, rename=, describe=, description=, missing=, encoding=, "
            "delimiter= and split= are for tables; expected a CSV, JSON lines, Parquet or Arrow file, a data frame, or "
            "none of these arguments."
        )


def _fragment_problems(fragments: Sequence[str | Path], folder: Path | None) -> list[str]:
    problems: list[str] = []
    _each(lambda one: _fragment(one, folder), fragments, problems)
    return problems


def _merged(people: Population, fragments: Sequence[str | Path], folder: Path | None) -> Population:
    problems: list[str] = []
    parts = _each(lambda one: _fragment(one, folder), fragments, problems)
    merged = tuple(_with_fragments(persona, parts, problems) for persona in people.personas)
    raise_if_any(problems)
    return Population(merged, people.source, file_sha256=people.file_sha256, sampling=people.sampling)


def population_of(
    experiment: Experiment, folder: Path | None = None, group: Group | None = None
) -> Population:
    """The population of ``experiment``, or of one arm; empty if its play needs none. Raises as `load`."""
    own = None if group is None else group.population
    source = experiment.population if own is None else own
    if source == ():
        return Population((), "nobody")
    return load(source, fragments_of(experiment, group), folder=folder)


def fragments_of(experiment: Experiment, group: Group | None) -> tuple[str | Path, ...]:
    """The fragments of an arm: its own, else the experiment's."""
    own = None if group is None else group.fragments
    return experiment.fragments if own is None else own


def _personas(
    source: str | Path | Sequence[Persona], folder: Path | None, problems: list[str]
) -> tuple[list[Persona], str]:
    if not isinstance(source, str | Path):
        if isinstance(source, Mapping) or not isinstance(source, Iterable):
            problems.append(
                f"Population {source!r:.60}: expected the name or path of a population, a data frame, a list of "
                "mappings, or personas."
            )
            return [], "declared"
        source = tuple(source)
        if not source:
            problems.append(
                "Population: no personas; expected at least one. Declare some, or name a population."
            )
        return _each(_declared, source, problems), "declared"
    try:
        place, files = find_population(source, folder)
    except ConfigurationError as error:
        problems.extend(error.problems)
        return [], str(source)
    people = [one for found in _each(_from_file, files, problems) for one in found]
    return people, label(place)


def _from_file(path: Path) -> list[Persona]:
    return [Persona(one["name"], one, source=label(path)) for one in read_people(path)]


def _declared(persona: Persona) -> Persona:
    if not isinstance(persona, Persona):
        raise ConfigurationError(
            f"Population: holds {persona!r:.60}; expected a Persona, such as Persona('Ada', {{'age': 34}})."
        )
    owner = f"Persona {persona.name!r} ({persona.source})"
    specification = {"name": persona.name, **plain_values(persona.specification)}
    raise_if_any([*name_problems(specification, owner), *value_problems(specification, owner)])
    if specification["name"] != persona.name:
        raise ConfigurationError(
            f"{owner}: its specification has name={specification['name']!r:.60}; expected {persona.name!r}. "
            "Use one name."
        )
    return replace(persona, specification=specification)


def _fragment(source: str | Path, folder: Path | None) -> tuple[Path, dict[str, Any]]:
    path = find_fragment(source, folder)
    return path, read_fragment(path)


def _with_fragments(
    persona: Persona, fragments: Iterable[tuple[Path, dict[str, Any]]], problems: list[str]
) -> Persona:
    specification: dict[str, Any] = dict(persona.specification)
    for path, fragment in fragments:
        specification, conflicts = merge(specification, fragment)
        problems.extend(
            f"Fragment file {path}: does not fit {persona.name!r} ({persona.source}): {conflict}; expected "
            "the same value, two lists or two objects. Take it out of one of the two."
            for conflict in conflicts
        )
    return replace(persona, specification=specification)


def _repeated(personas: Iterable[Persona]) -> Iterator[str]:
    first: dict[str, Persona] = {}
    for persona in personas:
        known = first.setdefault(unicodedata.normalize("NFC", persona.name.strip()), persona)
        if known is not persona:
            yield (
                f"Persona name {persona.name!r}: in {known.source} and again in {persona.source}; expected "
                "every name once in a population. Rename one or remove it."
            )


def _each(function: Callable[[_Item], _Found], items: Iterable[_Item], problems: list[str]) -> list[_Found]:
    """What ``function`` returns for each item; the problems of those that it refuses go to ``problems``."""
    found = []
    for item in items:
        try:
            found.append(function(item))
        except ConfigurationError as error:
            problems.extend(error.problems)
    return found
