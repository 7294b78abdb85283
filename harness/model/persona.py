"""A simulated person, and what a record keeps of one for the analysis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from harness.model.declaration import MAPPING, NAME, TEXT, Fields, declaration, normalise, number

LONGEST_ATTRIBUTE = 200
"""Characters of a text in a specification that still counts as an attribute; a longer one is a description."""
_TEXTS = frozenset({"name", "description", "persona"})
"""Keys of a specification that are not attributes."""


@declaration
@dataclass(frozen=True, slots=True)
class Persona:
    """One simulated person.

    Fields:
        name: text, unique within the population.
        specification: mapping of plain data for prompts; TinyTroupe's ``persona`` object.
        source: where the person came from; default ``"declared"``.
        attributes: data about the person for samples and analyses, ``{"region": "North", "age": 34}``: texts, numbers,
            truth values, ``None`` for unknown. A model sees them only where the specification has them too. Short
            values of the specification count as attributes in any case. Default empty.
        weight: how many people of the population the person stands for, relative to the others; default 1.

    >>> Persona("Ada", {"occupation": "market trader"}).name
    'Ada'
    """

    name: str
    specification: Mapping[str, Any] = field(hash=False)  # not frozen: fixtures may change it in place
    _: KW_ONLY
    source: str = "declared"
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    weight: float = 1.0

    FIELDS: ClassVar[Fields] = {
        "name": NAME,
        "specification": MAPPING,
        "source": TEXT,
        "attributes": MAPPING,
        "weight": number(0),
    }

    def __post_init__(self) -> None:
        normalise(self, data=["attributes"])


@dataclass(frozen=True, slots=True)
class Participant:
    """A person who took part in a run, as its records have one. ``attributes`` are empty where none were recorded."""

    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0


def attributes_of(persona: Persona) -> dict[str, Any]:
    """The attributes of ``persona``: those declared, then the numbers and short texts of its specification.

    >>> attributes_of(Persona("Ada", {"name": "Ada", "age": 34, "goals": ["a shop"]}, attributes={"region": "North"}))
    {'region': 'North', 'age': 34}
    """
    own = {
        str(key): value
        for key, value in persona.specification.items()
        if key not in _TEXTS and key not in persona.attributes and _is_attribute(value)
    }
    return {**persona.attributes, **own}


def _is_attribute(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_ATTRIBUTE
    return isinstance(value, bool | int | float)
