"""What all kinds of items have: a question, the answers that it allows, and the numbers that an answer becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from math import isfinite
from typing import Any, ClassVar

from harness.errors import expected_one_of
from harness.model.declaration import (
    NAME,
    Each,
    Fields,
    Kind,
    declaration,
    field_faults,
    flat,
    normalise,
    shown,
    whole_number,
)
from harness.model.metrics import Measure

LONGEST_ANSWER = 2_000
"""Characters of free text that are kept, where an item does not say."""

TEXTS = Each(NAME, "a tuple of texts, such as ('yes', 'no')")


POINTS = whole_number(2, 101)
LABELS = Kind(
    lambda value: value is None or are_texts(value),
    "a tuple of texts, such as ('not at all', 'completely'), or None",
)


class AnswerFault(ValueError):
    """What was given is not an answer to the item. The text says why."""


@declaration
@dataclass(frozen=True, slots=True)
class Item:
    """What all items have; use one of its kinds.

    Fields:
        name: names the answer in data, conditions and ``{name}`` in later questions: a letter, then letters, digits
            and ``_``.
        question: the words of the question; ``{name}`` is filled with the answer to an earlier item.
        opt_out: answers such as ``"don't know"`` that are allowed beside the others; they are answers, recorded as
            such, and have no number; default none.
        when: a condition on earlier items, such as ``"trust >= 4 and stay == 'no'"``; the item is skipped where it
            does not hold; default None, always asked.
    """

    name: str
    question: str
    _: KW_ONLY
    opt_out: tuple[str, ...] = ()
    when: str | None = None

    kind: ClassVar[str] = ""
    FIELDS: ClassVar[Fields] = {
        "name": NAME,
        "question": NAME,
        "opt_out": Each(NAME, 'a tuple of texts; a single one needs a comma: ("don\'t know",)'),
        "when": NAME.or_none(),
    }

    def __post_init__(self) -> None:
        tuples = [
            one for one in ("opt_out", "options", "rows", "labels") if getattr(self, one, None) is not None
        ]
        normalise(self, tuples=tuples, data=["values"] if hasattr(self, "values") else [])

    @property
    def choices(self) -> tuple[str, ...]:
        """What may be named as an answer, or as a part of one; options of which the order may be shuffled."""
        return ()

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The metrics that its answers become."""
        return ()

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of an answer, opt-outs included."""
        return self._or_opt_out(self._schema())

    @property
    def declared(self) -> dict[str, Any]:
        """What a model may see of the item, as plain data: its kind, name and question, and all that is set."""
        apart = ("name", "question", "values")
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in apart}
        return {
            "type": self.kind,
            "name": self.name,
            "question": self.question,
            **{name: _plain(value) for name, value in plain.items() if not _is_unset(value)},
        }

    def read(self, given: Any) -> Any:
        """The answer that ``given`` (JSON data) is, an opt-out included. Raises `AnswerFault`."""
        return given if self.is_opt_out(given) else self._read(given)

    def is_opt_out(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.opt_out

    def numbers(self, value: Any) -> dict[str, float | None]:
        """Metric → number of an answer as `read` gives it; ``None`` where the answer opts out of it."""
        if self.is_opt_out(value):
            return {one.name: None for one in self.measures}
        return self._numbers(value)

    def words(self, value: Any) -> str:
        """An answer in words, as a later question repeats it."""
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    def problems(self, owner: str) -> Iterable[str]:
        faults = field_faults(owner, self)
        yield from flat(faults)
        if not faults:
            yield from self._problems(owner)
            both = sorted(set(self.opt_out) & set(self.choices))
            if both:
                yield f"{owner}: opt_out={shown(both[0])} is also one of its options; expected it once."
            yield from repetitions(owner, "opt_out", self.opt_out)

    def _problems(self, owner: str) -> Iterable[str]:  # noqa: ARG002
        return ()

    def _schema(self) -> dict[str, Any]:
        raise NotImplementedError

    def _read(self, given: Any) -> Any:
        raise NotImplementedError

    def _numbers(self, value: Any) -> dict[str, float | None]:  # noqa: ARG002
        return {}

    def _or_opt_out(self, schema: dict[str, Any]) -> dict[str, Any]:
        if not self.opt_out:
            return schema
        if "enum" in schema and schema["type"] == "string":
            return {**schema, "enum": [*schema["enum"], *self.opt_out]}
        return {"anyOf": [schema, {"type": "string", "enum": list(self.opt_out)}]}


def closed_object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with all of these properties, and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def scale_label(points: int, labels: Sequence[str] | None, point: int) -> str:
    """The words of a ``point`` of a scale; two ``labels`` of a longer one are its ends'.

    >>> scale_label(5, ("not at all", "completely"), 5), scale_label(5, ("not at all", "completely"), 3)
    ('completely', '')
    """
    if not labels:
        return ""
    if len(labels) == points:
        return labels[point - 1] if 1 <= point <= points else ""
    return {1: labels[0], points: labels[-1]}.get(point, "")


def are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(NAME.accepts(one) for one in value)


def scaled_measure(name: str, label: str, least: float | None, most: float | None) -> Measure:
    scale = None if least is None or most is None else (least, most)
    return Measure(name, about="person", scale=scale, label=label)


def share_measure(item: Item, option: str) -> Measure:
    return scaled_measure(f"{item.name}={option}", f"{item.question} {option}", 0, 1)


def part_measure(item: Item, option: str, least: float, most: float) -> Measure:
    return scaled_measure(f"{item.name}[{option}]", f"{item.question} {option}", least, most)


def _is_unset(value: Any) -> bool:
    """Whether a field says nothing; a bound of 0 says something."""
    return value is None or value is False or value in ((), {}, "")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def is_whole(value: Any) -> bool:
    return is_number(value) and value == int(value)


def read_point(given: Any, points: int) -> int:
    if not is_whole(given) or not 1 <= given <= points:
        raise AnswerFault(f"{shown(given)} is not on the scale; expected a whole number from 1 to {points}")
    return int(given)


def read_option(given: Any, options: Sequence[str]) -> str:
    if not isinstance(given, str) or given not in options:
        wanted = expected_one_of(given, options) if isinstance(given, str) else "expected the text of one."
        raise AnswerFault(f"{shown(given)} is not an option; {wanted.rstrip('.')}")
    return given


def read_distinct(given: Any, options: Sequence[str]) -> list[str]:
    if not isinstance(given, list | tuple):
        raise AnswerFault(f"{shown(given)} is not a list of options")
    found = [read_option(one, options) for one in given]
    twice = next((one for one in found if found.count(one) > 1), None)
    if twice is not None:
        raise AnswerFault(f"{shown(twice)} is named {found.count(twice)} times; expected it once")
    return found


def read_parts(given: Any, names: Sequence[str], what: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise AnswerFault(f"{shown(given)} does not give {what} for each of the {len(names)} options")
    for name in names:
        if name not in given:
            raise AnswerFault(f"{shown(name)} has no answer; expected {what} for each")
    for name in given:
        if name not in names:
            raise AnswerFault(
                f"{shown(name)} is not an option; {expected_one_of(str(name), names).rstrip('.')}"
            )
    return given


def parts_in_words(value: Any) -> str:
    return (
        ", ".join(f"{name}: {part}" for name, part in value.items())
        if isinstance(value, Mapping)
        else str(value)
    )


def option_problems(owner: str, options: Sequence[str]) -> Iterable[str]:
    if len(options) < 2:
        has = f"has the one option {options[0]!r}" if options else "has no options"
        yield f"{owner}: {has}; expected at least two, such as options=('yes', 'no')."
    yield from repetitions(owner, "options", options)


def label_problems(owner: str, points: int, labels: Sequence[str] | None) -> Iterable[str]:
    if labels is not None and len(labels) not in (2, points):
        yield f"{owner}: {len(labels)} labels for {points} points; expected {points}, or 2 for the ends."


def value_problems(owner: str, options: Sequence[str], values: Mapping[str, str]) -> Iterable[str]:
    for option, value in values.items():
        if option not in options:
            yield f"{owner}: values: {shown(option)} is not an option; {expected_one_of(str(option), options)}"
        elif not NAME.accepts(value):
            yield f"{owner}: values[{shown(option)}]={shown(value)}; expected text, such as '1'."
    yield from repetitions(owner, "values", list(values.values()))


def repetitions(owner: str, what: str, texts: Sequence[str]) -> Iterable[str]:
    for text in dict.fromkeys(one for one in texts if texts.count(one) > 1):
        yield f"{owner}: {what}: {text!r} is declared {texts.count(text)} times; expected once."
