"""What is measured: claims that a model scores, and functions of the transcript."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from harness.model.declaration import FLAG, FUNCTION, NAME, TEXT, Fields, choice, declaration
from harness.model.outcome import Event

MIN_SCORE, MAX_SCORE = 0, 9
"""The scale of every proposition, as in TinyTroupe."""

MeasureFunction = Callable[[Sequence["Event"]], float | None]
"""Computes a metric from a transcript; ``None``: the transcript has no answer."""


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

    >>> Measure("remarks", lambda transcript: sum(event.type == "TALK" for event in transcript)).about
    'panel'
    """

    name: str
    function: MeasureFunction | None = None
    _: KW_ONLY
    about: Literal["person", "panel"] = "panel"

    FIELDS: ClassVar[Fields] = {
        "name": NAME,
        "function": FUNCTION.or_none(),
        "about": choice("person", "panel"),
    }
