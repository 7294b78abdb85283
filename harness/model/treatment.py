"""What an arm does to personas: action correction, and interventions with their preconditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Protocol

from harness.model.declaration import (
    FLAG,
    FUNCTION,
    NAME,
    TEXT,
    Fields,
    declaration,
    field_faults,
    flat,
    number,
    shown,
    whole_number,
)
from harness.model.metrics import MAX_SCORE, MIN_SCORE


class HasActions(Protocol):
    """What a functional precondition may look at: the same attribute in our personas and in TinyTroupe's."""

    actions_count: int


Precondition = Callable[[Any], bool]
"""Whether an intervention applies to a person, which has `HasActions.actions_count`."""


@declaration
@dataclass(frozen=True, slots=True)
class ActionsAtLeast:
    """The functional precondition of the paper: the person has acted at least ``count`` times (DONE counts)."""

    count: int

    FIELDS: ClassVar[Fields] = {"count": whole_number(0)}

    def __call__(self, person: HasActions) -> bool:
        return person.actions_count >= self.count

    def __str__(self) -> str:
        return f"actions_count >= {self.count}"


@declaration
@dataclass(frozen=True, slots=True)
class Correction:
    """Action correction: score each turn, and regenerate it while it is below the threshold.

    Fields:
        quality_threshold: score from 0 to 9; default 5.
        max_attempts: regenerations of a turn, 1 to 20, not counting the first try; default 2.
        regeneration: whether the turn is regenerated at all; default True.
    """

    quality_threshold: float = 5
    max_attempts: int = 2
    _: KW_ONLY
    regeneration: bool = True

    FIELDS: ClassVar[Fields] = {
        "quality_threshold": number(MIN_SCORE, MAX_SCORE),
        "max_attempts": whole_number(1, 20),
        "regeneration": FLAG,
    }

    def problems(self, owner: str) -> Iterable[str]:
        yield from flat(field_faults(owner, self))


@declaration
@dataclass(frozen=True, slots=True)
class Intervention:
    """A nudge: when the preconditions hold for a person, ``effect`` is put into that person's thoughts.

    Fields:
        name: text that records and reports show.
        effect: the thought.
        textual: precondition that a model judges; default None, which always holds.
        functional: precondition as a function of the person, checked first; default None, which always holds.
    """

    name: str
    effect: str
    _: KW_ONLY
    textual: str | None = None
    functional: Precondition | None = None

    FIELDS: ClassVar[Fields] = {
        "name": NAME,
        "effect": TEXT,
        "textual": TEXT.or_none(),
        "functional": FUNCTION.or_none(),
    }

    def problems(self, owner: str) -> Iterable[str]:
        faults = field_faults(f"{owner}: intervention {shown(self.name)}", self)
        yield from flat(faults)
        if "effect" not in faults and not self.effect.strip():
            yield f"{owner}: intervention {shown(self.name)} has an empty effect; expected the thought to put."
        if isinstance(self.functional, ActionsAtLeast):
            yield from flat(field_faults(f"{owner}: ActionsAtLeast", self.functional))
