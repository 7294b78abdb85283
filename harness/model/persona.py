"""A simulated person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from harness.model.declaration import MAPPING, NAME, TEXT, Fields, declaration


@declaration
@dataclass(frozen=True, slots=True)
class Persona:
    """One simulated person.

    Fields:
        name: text, unique within the population.
        specification: mapping of plain data for prompts; TinyTroupe's ``persona`` object.
        source: where the person came from; default ``"declared"``.

    >>> Persona("Ada", {"occupation": "market trader"}).name
    'Ada'
    """

    name: str
    specification: Mapping[str, Any] = field(hash=False)  # not frozen: fixtures may change it in place
    _: KW_ONLY
    source: str = "declared"

    FIELDS: ClassVar[Fields] = {"name": NAME, "specification": MAPPING, "source": TEXT}
