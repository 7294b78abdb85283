"""Items of several parts: several of the options, a rank or an amount for each, a rating for each row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from harness.model.declaration import (
    FLAG,
    MAPPING,
    NAME,
    Each,
    Fields,
    declaration,
    shown,
    whole_number,
)
from harness.model.metrics import Measure
from harness.model.survey.item import (
    LABELS,
    POINTS,
    TEXTS,
    AnswerFault,
    Item,
    closed_object,
    is_whole,
    label_problems,
    option_problems,
    part_measure,
    parts_in_words,
    read_distinct,
    read_parts,
    read_point,
    repetitions,
    scale_label,
    share_measure,
    value_problems,
)


@declaration
@dataclass(frozen=True, slots=True)
class MultipleChoice(Item):
    """Any number of the options; the answer is the list of those chosen, in the order of the declaration.

    Fields:
        options: at least two texts.
        least, most: how many are to be chosen; default 0, and None for all.
        shuffle, values, name, question, opt_out, when: as in `Choice`.

    >>> MultipleChoice("drinks", "What do you drink?", options=("tea", "coffee", "milk")).read(["coffee", "tea"])
    ['tea', 'coffee']
    """

    options: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None
    shuffle: bool = False
    values: Mapping[str, str] = field(default_factory=dict)

    kind: ClassVar[str] = "multiple_choice"
    FIELDS: ClassVar[Fields] = {
        **Item.FIELDS,
        "options": TEXTS,
        "least": whole_number(0),
        "most": whole_number(1).or_none(),
        "shuffle": FLAG,
        "values": MAPPING,
    }

    @property
    def choices(self) -> tuple[str, ...]:
        return self.options

    @property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(share_measure(self, option) for option in self.options)

    def _problems(self, owner: str) -> Iterable[str]:
        yield from option_problems(owner, self.options)
        yield from value_problems(owner, self.options, self.values)
        if not self.least <= (self.most or len(self.options)) <= len(self.options):
            yield f"{owner}: least={self.least}, most={self.most}; expected at most its {len(self.options)} options."

    def _schema(self) -> dict[str, Any]:
        one = {"type": "string", "enum": list(self.options)}
        return {
            "type": "array",
            "items": one,
            "minItems": self.least,
            "maxItems": self.most or len(self.options),
        }

    def _read(self, given: Any) -> list[str]:
        chosen = read_distinct(given, self.options)
        most = self.most or len(self.options)
        if not self.least <= len(chosen) <= most:
            raise AnswerFault(f"{len(chosen)} options are chosen; expected {self.least} to {most}")
        return [option for option in self.options if option in chosen]

    def _numbers(self, value: Any) -> dict[str, float | None]:
        return {f"{self.name}={option}": float(option in value) for option in self.options}


@declaration
@dataclass(frozen=True, slots=True)
class Ranking(Item):
    """All options in order of preference; the answer is the list, the best first, and the numbers are ranks from 1.

    >>> Ranking("goals", "What matters most?", options=("peace", "wealth")).numbers(["wealth", "peace"])
    {'goals[peace]': 2.0, 'goals[wealth]': 1.0}
    """

    options: tuple[str, ...] = ()
    shuffle: bool = False

    kind: ClassVar[str] = "ranking"
    FIELDS: ClassVar[Fields] = {**Item.FIELDS, "options": TEXTS, "shuffle": FLAG}

    @property
    def choices(self) -> tuple[str, ...]:
        return self.options

    @property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(part_measure(self, option, 1, len(self.options)) for option in self.options)

    def _problems(self, owner: str) -> Iterable[str]:
        return option_problems(owner, self.options)

    def _schema(self) -> dict[str, Any]:
        one, many = {"type": "string", "enum": list(self.options)}, len(self.options)
        return {"type": "array", "items": one, "minItems": many, "maxItems": many}

    def _read(self, given: Any) -> list[str]:
        ranked = read_distinct(given, self.options)
        lacking = [option for option in self.options if option not in ranked]
        if lacking:
            raise AnswerFault(f"{shown(lacking[0])} is not ranked; expected each option once")
        return ranked

    def _numbers(self, value: Any) -> dict[str, float | None]:
        return {f"{self.name}[{option}]": float(value.index(option) + 1) for option in self.options}


@declaration
@dataclass(frozen=True, slots=True)
class Allocation(Item):
    """A budget that is divided among the options; the answer maps each option to its amount.

    Fields:
        options: at least two texts.
        total: what the amounts add up to, in whole units; default 100.
        shuffle, name, question, opt_out, when: as in `Choice`.

    >>> Allocation("budget", "Divide 100 points.", options=("roads", "schools")).read({"roads": 30, "schools": 70})
    {'roads': 30, 'schools': 70}
    """

    options: tuple[str, ...] = ()
    total: int = 100
    shuffle: bool = False

    kind: ClassVar[str] = "allocation"
    FIELDS: ClassVar[Fields] = {**Item.FIELDS, "options": TEXTS, "total": whole_number(1), "shuffle": FLAG}

    @property
    def choices(self) -> tuple[str, ...]:
        return self.options

    @property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(part_measure(self, option, 0, self.total) for option in self.options)

    def _problems(self, owner: str) -> Iterable[str]:
        return option_problems(owner, self.options)

    def _schema(self) -> dict[str, Any]:
        amount = {"type": "integer", "minimum": 0, "maximum": self.total}
        return closed_object(dict.fromkeys(self.options, amount))

    def _read(self, given: Any) -> dict[str, int]:
        amounts = read_parts(given, self.options, "an amount")
        for option, amount in amounts.items():
            if not is_whole(amount) or amount < 0:
                raise AnswerFault(f"{shown(amount)} for {shown(option)}; expected a whole number, 0 or more")
        if sum(amounts.values()) != self.total:
            raise AnswerFault(f"the amounts add up to {sum(amounts.values()):g}; expected {self.total}")
        return {option: int(amounts[option]) for option in self.options}

    def words(self, value: Any) -> str:
        return parts_in_words(value)

    def _numbers(self, value: Any) -> dict[str, float | None]:
        return {f"{self.name}[{option}]": float(value[option]) for option in self.options}


@declaration
@dataclass(frozen=True, slots=True)
class Matrix(Item):
    """Several rows on one scale; the answer maps each row to a whole number from 1, or to an opt-out.

    Fields:
        rows: the texts that are rated, at least one.
        points, labels: the scale, as in `Likert`.
        shuffle: whether each persona sees the rows in another random order; default False, as the survey says.
        name, question, opt_out, when: as in `Item`; each row may opt out by itself.

    >>> Matrix("trust", "How far do you trust …", rows=("the police", "the press")).measures[0].name
    'trust[the police]'
    """

    rows: tuple[str, ...] = ()
    points: int = 5
    labels: tuple[str, ...] | None = None
    shuffle: bool = False

    kind: ClassVar[str] = "matrix"
    FIELDS: ClassVar[Fields] = {
        **Item.FIELDS,
        "rows": Each(NAME, "a tuple of texts, such as ('the police', 'the press')"),
        "points": POINTS,
        "labels": LABELS,
        "shuffle": FLAG,
    }

    @property
    def choices(self) -> tuple[str, ...]:
        return self.rows

    @property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(part_measure(self, row, 1, self.points) for row in self.rows)

    def label(self, point: int) -> str:
        """The words of a point; empty where it has none."""
        return scale_label(self.points, self.labels, point)

    def is_opt_out(self, value: Any) -> bool:  # noqa: ARG002
        return False  # its rows opt out, each by itself

    def words(self, value: Any) -> str:
        return parts_in_words(
            {row: (self.label(one) if isinstance(one, int) else "") or one for row, one in value.items()}
        )

    def _problems(self, owner: str) -> Iterable[str]:
        if not self.rows:
            yield f"{owner}: has no rows; expected at least one."
        yield from repetitions(owner, "rows", self.rows)
        yield from label_problems(owner, self.points, self.labels)

    @property
    def schema(self) -> dict[str, Any]:
        return self._schema()

    def _schema(self) -> dict[str, Any]:
        point = {"type": "integer", "minimum": 1, "maximum": self.points}
        return closed_object(dict.fromkeys(self.rows, self._or_opt_out(point)))

    def _read(self, given: Any) -> dict[str, Any]:
        rated = read_parts(given, self.rows, "a rating")
        try:
            return {
                row: rated[row] if rated[row] in self.opt_out else read_point(rated[row], self.points)
                for row in self.rows
            }
        except AnswerFault as fault:
            bad = next(
                row for row in self.rows if not is_whole(rated[row]) or not 1 <= rated[row] <= self.points
            )
            raise AnswerFault(f"{bad}: {fault}") from None

    def _numbers(self, value: Any) -> dict[str, float | None]:
        return {
            f"{self.name}[{row}]": float(value[row]) if is_whole(value[row]) else None for row in self.rows
        }
