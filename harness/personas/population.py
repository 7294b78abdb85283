"""Populations: checked personas of one source, with fragments merged in and a hash of the result."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import ConfigurationError, raise_if_any
from harness.model import Experiment, Group, Persona
from harness.personas.documents import canonical, name_problems, read_fragment, read_people, value_problems
from harness.personas.fragments import merge
from harness.personas.sources import find_fragment, find_population, label

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Population:
    """Personas with unique names, in the order of their files.

    ``source`` is their origin. ``sha256`` (hex) covers the personas in their order, with fragments, as compact
    JSON, but not their origin.
    """

    personas: tuple[Persona, ...]
    source: str
    sha256: str


def load(
    source: str | Path | Sequence[Persona],
    fragments: Sequence[str | Path] = (),
    *,
    folder: Path | None = None,
) -> Population:
    """Read a population and merge ``fragments`` into each persona, in order.

    ``source`` is a name, a path (a `Path`, or a string with a separator or ending in ``.json``) of a persona
    file or a directory of them, or the personas themselves. Names are looked up among the packaged ones or, with
    ``folder``, only in ``folder/population`` and ``folder/fragments``. In a directory every ``*.json`` is a
    persona, except ``*.fragment.json`` and hidden files.

    Raises `ConfigurationError` with every fault found.
    """
    problems: list[str] = []
    personas, origin = _personas(source, folder, problems)
    parts = _each(lambda one: _fragment(one, folder), fragments, problems)
    raise_if_any([*problems, *_repeated(personas)])
    merged = tuple(_with_fragments(persona, parts, problems) for persona in personas)
    raise_if_any(problems)
    return Population(merged, origin, digest(merged))


def population_of(
    experiment: Experiment, folder: Path | None = None, group: Group | None = None
) -> Population:
    """The population of ``experiment``, or of one arm; empty if its play needs none. Raises as `load`."""
    own = None if group is None else group.population
    source = experiment.population if own is None else own
    if source == ():
        return Population((), "nobody", digest(()))
    return load(source, fragments_of(experiment, group), folder=folder)


def fragments_of(experiment: Experiment, group: Group | None) -> tuple[str | Path, ...]:
    """The fragments of an arm: its own, else the experiment's."""
    own = None if group is None else group.fragments
    return experiment.fragments if own is None else own


def _personas(
    source: str | Path | Sequence[Persona], folder: Path | None, problems: list[str]
) -> tuple[list[Persona], str]:
    if not isinstance(source, str | Path):
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
    owner = f"Persona {persona.name!r} ({persona.source})"
    specification = {"name": persona.name, **_plain(persona.specification)}
    raise_if_any([*name_problems(specification, owner), *value_problems(specification, owner)])
    if specification["name"] != persona.name:
        raise ConfigurationError(
            f"{owner}: its specification has name={specification['name']!r:.60}; expected {persona.name!r}. "
            "Use one name."
        )
    return replace(persona, specification=specification)


def _plain(value: Any) -> Any:
    """``value`` with its mappings and sequences copied into dicts and lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


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


def _named(persona: Persona) -> dict[str, Any]:
    specification: dict[str, Any] = _plain(persona.specification)
    return (
        specification
        if specification.get("name") == persona.name
        else {**specification, "name": persona.name}
    )


def digest(personas: Iterable[Persona]) -> str:
    """The SHA-256 (hex) of personas in their order."""
    content = canonical([_named(one) for one in personas])
    return hashlib.sha256(content.encode("ascii")).hexdigest()
