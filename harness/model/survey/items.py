"""The kinds of items of a `Survey`: what each asks, which answers it allows, and the numbers that an answer becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from harness.model.declaration import (
    FLAG,
    MAPPING,
    TEXT,
    Fields,
    declaration,
    normalise,
    number,
    shown,
    whole_number,
)
from harness.model.metrics import Measure
from harness.model.survey.composites import Allocation, Matrix, MultipleChoice, Ranking
from harness.model.survey.item import (
    LABELS,
    LONGEST_ANSWER,
    POINTS,
    TEXTS,
    AnswerFault,
    Item,
    are_texts,
    is_number,
    label_problems,
    option_problems,
    read_option,
    read_point,
    scale_label,
    scaled_measure,
    share_measure,
    value_problems,
)


@declaration
@dataclass(frozen=True, slots=True)
class Likert(Item):
    """Agreement, trust or the like on a scale of ``points``; the answer is a whole number from 1.

    Fields:
        points: how many; default 5, or one for each of ``labels``.
        labels: words for the points: one each, or two for the ends; default none.
        name, question, opt_out, when: as in `Item`.

    >>> Likert("trust", "How far do you trust the council?", labels=("not at all", "completely")).read(4)
    4
    """

    points: int = 5
    labels: tuple[str, ...] | None = None

    kind: ClassVar[str] = "likert"
    FIELDS: ClassVar[Fields] = {
        **Item.FIELDS,
        "points": POINTS,
        "labels": LABELS,
    }

    @property
    def measures(self) -> tuple[Measure, ...]:
        return (scaled_measure(self.name, self.question, 1, self.points),)

    def label(self, point: int) -> str:
        """The words of a point; empty where it has none."""
        return scale_label(self.points, self.labels, point)

    def words(self, value: Any) -> str:
        return (self.label(value) if isinstance(value, int) else "") or str(value)

    def _problems(self, owner: str) -> Iterable[str]:
        return label_problems(owner, self.points, self.labels)

    def _schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": 1, "maximum": self.points}

    def _read(self, given: Any) -> int:
        return read_point(given, self.points)

    def _numbers(self, value: Any) -> dict[str, float | None]:
        return {self.name: float(value)}


@declaration
@dataclass(frozen=True, slots=True)
class Choice(Item):
    """One of several options; the answer is its text.

    Fields:
        options: at least two texts.
        shuffle: whether each persona sees the options in another random order; default False, as the survey says.
        values: option → the value that stands for it in other data, such as ``{"yes": "1", "no": "2"}``, by which
            people's answers are read; no model sees it; default none.
        name, question, opt_out, when: as in `Item`.

    >>> Choice("stay", "Will you stay?", options=("yes", "no")).read("no")
    'no'
    """

    options: tuple[str, ...] = ()
    shuffle: bool = False
    values: Mapping[str, str] = field(default_factory=dict)

    kind: ClassVar[str] = "choice"
    FIELDS: ClassVar[Fields] = {**Item.FIELDS, "options": TEXTS, "shuffle": FLAG, "values": MAPPING}

    @property
    def choices(self) -> tuple[str, ...]:
        return self.options

    @property
    def measures(self) -> tuple[Measure, ...]:
        measured = self.options[:1] if len(self.options) == 2 else self.options
        return tuple(share_measure(self, option) for option in measured)

    def _problems(self, owner: str) -> Iterable[str]:
        yield from option_problems(owner, self.options)
        yield from value_problems(owner, self.options, self.values)

    def _schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.options)}

    def _read(self, given: Any) -> str:
        return read_option(given, (*self.options, *self.opt_out))

    def _numbers(self, value: Any) -> dict[str, float | None]:
        return {one.name: float(one.name == f"{self.name}={value}") for one in self.measures}


@declaration
@dataclass(frozen=True, slots=True)
class YesNo(Item):
    """Yes or no; the answer is ``"yes"`` or ``"no"``, its number 1 or 0.

    >>> YesNo("moved", "Have you moved in the last year?").numbers("yes")
    {'moved': 1.0}
    """

    kind: ClassVar[str] = "yes_no"
    FIELDS: ClassVar[Fields] = Item.FIELDS

    @property
    def choices(self) -> tuple[str, ...]:
        return ("yes", "no")

    @property
    def measures(self) -> tuple[Measure, ...]:
        return (scaled_measure(self.name, self.question, 0, 1),)

    def _schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": ["yes", "no"]}

    def _read(self, given: Any) -> str:
        return read_option(given, (*self.choices, *self.opt_out))

    def _numbers(self, value: Any) -> dict[str, float | None]:
        return {self.name: float(value == "yes")}


@declaration
@dataclass(frozen=True, slots=True)
class Numeric(Item):
    """A number within bounds.

    Fields:
        least, most: the bounds, included; default None, no bound.
        unit: such as ``"euros a month"``; default none.
        whole: whether only whole numbers are answers; default False.
        name, question, opt_out, when: as in `Item`.

    >>> Numeric("rent", "What rent would be fair?", least=0, most=5_000, unit="euros a month").read(640)
    640
    """

    least: float | None = None
    most: float | None = None
    unit: str = ""
    whole: bool = False

    kind: ClassVar[str] = "numeric"
    FIELDS: ClassVar[Fields] = {
        **Item.FIELDS,
        "least": number().or_none(),
        "most": number().or_none(),
        "unit": TEXT,
        "whole": FLAG,
    }

    @property
    def measures(self) -> tuple[Measure, ...]:
        label = f"{self.question} ({self.unit})" if self.unit else self.question
        return (scaled_measure(self.name, label, self.least, self.most),)

    @property
    def range(self) -> str:
        """Its bounds in words: ``from 0 to 10``; empty without."""
        if self.least is None:
            return "" if self.most is None else f"at most {self.most:g}"
        return f"at least {self.least:g}" if self.most is None else f"from {self.least:g} to {self.most:g}"

    def words(self, value: Any) -> str:
        return f"{value} {self.unit}" if self.unit and not self.is_opt_out(value) else str(value)

    def _problems(self, owner: str) -> Iterable[str]:
        if self.least is not None and self.most is not None and self.least >= self.most:
            yield f"{owner}: least={self.least}, most={self.most}; expected the least below the most."

    def _schema(self) -> dict[str, Any]:
        bounds = {"minimum": self.least, "maximum": self.most}
        kind = "integer" if self.whole else "number"
        return {"type": kind, **{name: one for name, one in bounds.items() if one is not None}}

    def _read(self, given: Any) -> float:
        if not is_number(given):
            raise AnswerFault(f"{shown(given)} is not a number")
        if self.whole and given != int(given):
            raise AnswerFault(f"{given} is not a whole number")
        if (self.least is not None and given < self.least) or (self.most is not None and given > self.most):
            raise AnswerFault(f"{given} is out of range; expected a number {self.range}")
        return int(given) if given == int(given) else float(given)

    def _numbers(self, value: Any) -> dict[str, float | None]:
        return {self.name: float(value)}


@declaration
@dataclass(frozen=True, slots=True)
class FreeText(Item):
    """An answer in the persona's own words, which a judge may code into categories.

    Fields:
        categories: names, or a mapping of names to what they mean; the session's judge assigns one of them to each
            answer, and each becomes a metric of 0 and 1; default none, the text alone is kept.
        longest: characters that are kept of an answer; default 2,000.
        name, question, opt_out, when: as in `Item`.

    >>> FreeText("why", "Why?", categories={"money": "costs or income", "other": "anything else"}).measures[0].name
    'why=money'
    """

    categories: Mapping[str, str] | tuple[str, ...] = field(default_factory=dict)
    longest: int = LONGEST_ANSWER

    kind: ClassVar[str] = "free_text"
    FIELDS: ClassVar[Fields] = {**Item.FIELDS, "categories": MAPPING, "longest": whole_number(1, 100_000)}

    def __post_init__(self) -> None:
        if not isinstance(self.categories, Mapping) and are_texts(self.categories):
            object.__setattr__(self, "categories", dict.fromkeys(self.categories, ""))
        normalise(self, tuples=["opt_out"], data=["categories"])

    @property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(share_measure(self, category) for category in self.codes)

    def _problems(self, owner: str) -> Iterable[str]:
        if len(self.codes) == 1:
            yield f"{owner}: has one category; expected at least two, or none."
        for name, meaning in self.codes.items():
            if not (isinstance(name, str) and name.strip() and isinstance(meaning, str)):
                yield f"{owner}: categories[{shown(name)}]={shown(meaning)}; expected a name, and what it means."

    def _schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def _read(self, given: Any) -> str:
        if not isinstance(given, str):
            raise AnswerFault(f"{shown(given)} is not text")
        if not given.strip():
            raise AnswerFault("the answer is empty")
        return given.strip()[: self.longest]

    @property
    def codes(self) -> Mapping[str, str]:
        """Category → what it means; empty text where the name says it."""
        assert isinstance(self.categories, Mapping)
        return self.categories

    def coded(self, category: str) -> dict[str, float | None]:
        """Metric → number of an answer that the judge put into ``category``."""
        return {f"{self.name}={one}": float(one == category) for one in self.codes}

    def _numbers(self, value: Any) -> dict[str, float | None]:  # noqa: ARG002
        return {one.name: None for one in self.measures}


KINDS: Mapping[str, type[Item]] = {
    one.kind: one
    for one in (Likert, Choice, YesNo, MultipleChoice, Numeric, Ranking, Allocation, Matrix, FreeText)
}
"""The kinds of item by the name that data and files have."""


def read_items(declared: Any) -> tuple[Item, ...]:
    """The items of a survey from plain data, as `Item.declared` gives each; what is not an item is left out.

    >>> read_items([{"type": "likert", "name": "trust", "question": "How far?", "points": 7}])[0].measures[0].scale
    (1, 7)
    """
    found = (
        [one for one in declared if isinstance(one, Mapping)] if isinstance(declared, list | tuple) else []
    )
    return tuple(
        KINDS[one["type"]](**{name: value for name, value in one.items() if name != "type"})
        for one in found
        if one.get("type") in KINDS
    )
