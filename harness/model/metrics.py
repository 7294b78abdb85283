"""What is measured: claims that a model scores, functions of the transcript, and pairwise comparisons of arms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import combinations
from typing import ClassVar, Literal

from harness.model.declaration import (
    FLAG,
    FUNCTION,
    NAME,
    TEXT,
    Fields,
    Kind,
    choice,
    declaration,
    normalise,
    number,
)
from harness.model.outcome import Event

MIN_SCORE, MAX_SCORE = 0, 9
"""The scale of every proposition, as in TinyTroupe."""

MeasureFunction = Callable[[Sequence["Event"]], float | None]
"""Computes a metric from a transcript; ``None``: the transcript has no answer."""

_SCALE = Kind(
    lambda value: (
        isinstance(value, tuple)
        and len(value) == 2
        and all(map(number().accepts, value))
        and value[0] < value[1]
    ),
    "the least and the greatest value, such as (1, 5)",
)


@declaration
@dataclass(frozen=True, slots=True)
class Proposition:
    """A claim that a model scores 0 to 9 against a transcript.

    Fields:
        name: the metric's name in results.
        claim: the claim, in words.
        about: ``"person"`` (default) gives a score per person, ``"panel"`` one per trial, ``"agent"`` one per trial
            that is about the agent of the experiment's own play.
        include_persona: whether the judge also reads the specification of the person; default True.
        tinytroupe: the proposition of the same meaning in ``tinytroupe.validation``, which that engine uses in place of
            ``claim``; default None.

    >>> Proposition("Courtesy", "The person stays courteous, even when refusing.").about
    'person'
    """

    name: str
    claim: str
    _: KW_ONLY
    about: Literal["person", "panel", "agent"] = "person"
    include_persona: bool = True
    tinytroupe: str | None = None

    FIELDS: ClassVar[Fields] = {
        "name": NAME,
        "claim": TEXT,
        "about": choice("person", "panel", "agent"),
        "include_persona": FLAG,
        "tinytroupe": TEXT.or_none(),
    }


@declaration
@dataclass(frozen=True, slots=True)
class Measure:
    """A metric computed from a trial's transcript by a function, without any model.

    Fields:
        name: the metric's name in results.
        function: takes the transcript (a sequence of `harness.model.Event`) and returns a number, or ``None`` for a
            missing value; default None, where the experiment's own `Play` reports the metric.
        about: ``"panel"`` (default) gives one value per trial, ``"person"`` one per person.
        scale: the least and the greatest value that there can be, for figures; default None, not known.
        label: what tables and figures call the metric; default None, its name.

    >>> Measure("remarks", lambda transcript: sum(event.type == "TALK" for event in transcript)).about
    'panel'
    """

    name: str
    function: MeasureFunction | None = None
    _: KW_ONLY
    about: Literal["person", "panel"] = "panel"
    scale: tuple[float, float] | None = None
    label: str | None = None

    FIELDS: ClassVar[Fields] = {
        "name": NAME,
        "function": FUNCTION.or_none(),
        "about": choice("person", "panel"),
        "scale": _SCALE.or_none(),
        "label": NAME.or_none(),
    }

    def __post_init__(self) -> None:
        normalise(self, tuples=["scale"] if self.scale is not None else [])


@declaration
@dataclass(frozen=True, slots=True)
class Preference:
    """A pairwise comparison: a judge reads what two arms made of the same block, blind, and prefers one or neither.

    A block is one panel, proposal and repetition. The judge reads both conversations as A and B, in both orders, and
    answers A, B or tie. The arms' names, settings and texts are not shown. Comparisons are made at the end of a
    session, in blocks that both arms finished.

    Fields:
        name: the metric's name in results.
        question: what is asked about the two, such as ``"Which of the two conversations is more polite?"``.
        pairs: ``"all"`` (default) compares every two arms, ``"control"`` each later arm with the first.

    >>> Preference("politer", "Which of the two conversations is more polite?").pairs
    'all'
    """

    name: str
    question: str
    _: KW_ONLY
    pairs: Literal["all", "control"] = "all"

    FIELDS: ClassVar[Fields] = {"name": NAME, "question": NAME, "pairs": choice("all", "control")}

    def arms(self, groups: Sequence[str]) -> list[tuple[str, str]]:
        """The pairs of ``groups`` that are compared, the earlier arm first."""
        found = list(combinations(groups, 2))
        return found if self.pairs == "all" else [pair for pair in found if pair[0] == groups[0]]
