"""What the persona reads: who they are, the questions, and how each is answered. No item's name, and no arm's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.engines.embedded.prompts import describe, system
from harness.engines.embedded.transcript import clean
from harness.gateway.calls import Message
from harness.model import (
    Allocation,
    Choice,
    FreeText,
    Likert,
    Matrix,
    MultipleChoice,
    Numeric,
    Persona,
    Ranking,
    YesNo,
    render,
)
from harness.model.survey.item import Item, closed_object
from harness.model.survey.survey import LETTERS

_BE = """\
You are {name}. You are taking part in a survey. Answer every question as {name} would, from {name}'s own life, views
and knowledge. There are no right or wrong answers, and no one else will see them.

# Who you are

{description}"""

Asked = tuple[Item, Sequence[str]]
"""An item with its options or rows, as this persona gets them."""
LONGEST_REPEATED = 500
"""Characters of an answer that a later question repeats."""
MOST_DIGITS = 9
"""Points of a scale whose numbers are one token each; a longer one is answered with letters."""


def opening(person: Persona, instructions: str | None) -> Message:
    """The standing instruction of the persona, which ends with the arm's."""
    text = _BE.format(name=person.name, description=describe(person))
    return system(f"{text}\n\n# In this survey\n\n{instructions}" if instructions else text)


def questionnaire(introduction: str, asked: Sequence[tuple[Item, str, Sequence[str]]]) -> str:
    """Questions in one request: each item with its question and its options, as this persona gets them."""
    if len(asked) == 1:
        return "\n\n".join(
            filter(None, (introduction, _question(*asked[0]), 'Answer with JSON: {"answer": …}'))
        )
    numbered = [f"{number}. {_question(*one)}" for number, one in enumerate(asked, start=1)]
    keys = ", ".join(f'"q{number}"' for number in range(1, len(asked) + 1))
    return "\n\n".join(
        filter(
            None,
            (introduction, *numbered, f"Answer with JSON that has one answer for each question: {keys}."),
        )
    )


def filled(question: str, fields: Mapping[str, str], known: Mapping[str, tuple[Item, Any]]) -> str:
    """``question`` with the fields of a proposal and the earlier answers that it names, in words."""
    answers = {name: clean(item.words(value), LONGEST_REPEATED) for name, (item, value) in known.items()}
    return render(question, {**fields, **answers})


def answer_format(asked: Sequence[Asked]) -> Mapping[str, Any]:
    """The JSON that the questions are answered with, as a strict ``response_format``."""
    schema = closed_object({key: _schema(*one) for key, one in zip(keys(asked), asked, strict=True)})
    return {"type": "json_schema", "json_schema": {"name": "survey", "strict": True, "schema": schema}}


def part_letters(item: Item, choices: Sequence[str]) -> dict[str, str]:
    """The letter under which each row or option has an answer by itself; none for other kinds of items.

    Rows may be long sentences, and not every provider takes any text as a key.
    """
    if not isinstance(item, Matrix | Allocation):
        return {}
    letters = [*LETTERS.lower(), *(f"{one}{two}" for one in LETTERS.lower() for two in LETTERS.lower())]
    return dict(zip(letters, choices, strict=False))


def with_names(item: Item, choices: Sequence[str], given: Any) -> Any:
    """An answer from a reply, by the names of rows or options in place of their letters."""
    letters = part_letters(item, choices)
    if not letters or not isinstance(given, Mapping):
        return given
    return {letters.get(key, key): part for key, part in given.items()}


def with_letters(item: Item, choices: Sequence[str], value: Any) -> Any:
    """The opposite of `with_names`, for the memory of a reply."""
    if not isinstance(value, Mapping):
        return value
    return {letter: value[name] for letter, name in part_letters(item, choices).items()}


def _schema(item: Item, choices: Sequence[str]) -> dict[str, Any]:
    schema = item.schema
    letters = part_letters(item, choices)
    if not letters:
        return schema
    plain = schema if "properties" in schema else schema["anyOf"][0]
    parts = closed_object(
        {letter: {**plain["properties"][name], "description": name} for letter, name in letters.items()}
    )
    return parts if plain is schema else {**schema, "anyOf": [parts, *schema["anyOf"][1:]]}


def keys(items: Sequence[Any]) -> list[str]:
    """The keys of the answers: ``answer`` for one question, else ``q1``, ``q2`` and so on."""
    return ["answer"] if len(items) == 1 else [f"q{number}" for number in range(1, len(items) + 1)]


def lettered(item: Item, choices: Sequence[str]) -> dict[str, Any]:
    """The single token that stands for each answer to an item of one choice: a number, or a letter."""
    if isinstance(item, Likert):
        points = range(1, item.points + 1)
        if item.points <= MOST_DIGITS and not item.opt_out:
            return {str(point): point for point in points}
        return dict(zip(LETTERS, [*points, *item.opt_out], strict=False))
    return dict(zip(LETTERS, [*choices, *item.opt_out], strict=False))


def one_token_question(introduction: str, item: Item, question: str, answers: Mapping[str, Any]) -> str:
    """The question of an item of one choice that is answered with one of the tokens in ``answers``."""
    lines = [f"{token}. {_choice_words(item, answer)}" for token, answer in answers.items()]
    *others, last = answers
    what = "number" if all(token.isdigit() for token in answers) else "letter"
    choose = f"Answer with one {what}: {', '.join(others)} or {last}."
    return "\n\n".join(filter(None, (introduction, "\n".join([question, *lines]), choose)))


def _choice_words(item: Item, answer: Any) -> str:
    label = item.label(answer) if isinstance(item, Likert) and isinstance(answer, int) else ""
    return f"{answer} ({label})" if label and isinstance(answer, int) else str(answer)


def _question(item: Item, question: str, choices: Sequence[str]) -> str:
    return "\n".join([question, *_how(item, choices), *_opting_out(item)])


def _opting_out(item: Item) -> Iterable[str]:
    if item.opt_out and not isinstance(item, Choice | YesNo):
        named = " or ".join(f'"{one}"' for one in item.opt_out)
        yield (
            f"For any of them you may answer {named}."
            if isinstance(item, Matrix)
            else f"You may also answer {named}."
        )


def _how(item: Item, choices: Sequence[str]) -> Iterable[str]:
    """How to answer, and the options."""
    listed = [f"- {one}" for one in choices]
    by_letter = [f"{letter}. {one}" for letter, one in part_letters(item, choices).items()]
    if isinstance(item, Likert):
        yield f"Answer with a whole number {_scale(item)}."
    elif isinstance(item, YesNo):
        yield _quoted("Answer with", [*item.choices, *item.opt_out])
    elif isinstance(item, Choice):
        yield from ["Choose one:", *listed, *(f"- {one}" for one in item.opt_out)]
    elif isinstance(item, MultipleChoice):
        yield from [_how_many(item), *listed]
    elif isinstance(item, Numeric):
        what = "a whole number" if item.whole else "a number"
        bounds = f" {item.range}" if item.range else ""
        yield f"Answer with {what}{bounds}{f', in {item.unit}' if item.unit else ''}."
    elif isinstance(item, Ranking):
        yield from ["Put all of these in order, from first to last:", *listed]
    elif isinstance(item, Allocation):
        yield from [f"Give each of these a whole number, so that they add up to {item.total}:", *by_letter]
    elif isinstance(item, Matrix):
        yield from [f"For each of these, answer with a whole number {_scale(item)}:", *by_letter]
    elif isinstance(item, FreeText):
        yield "Answer in your own words, in a sentence or two."


def _scale(item: Likert | Matrix) -> str:
    if item.labels and len(item.labels) == item.points and item.points > 2:
        points = [f"{point} = {label}" for point, label in enumerate(item.labels, start=1)]
        return f"from 1 to {item.points} ({', '.join(points)})"
    ends = [
        f"{point} ({label})" if (label := item.label(point)) else str(point) for point in (1, item.points)
    ]
    return f"from {ends[0]} to {ends[1]}"


def _how_many(item: MultipleChoice) -> str:
    most = item.most or len(item.options)
    if item.least == most:
        return f"Choose exactly {most}:"
    if item.most is None:
        return f"Choose {item.least} or more:" if item.least > 1 else "Choose all that apply:"
    return f"Choose {item.least} to {most}:" if item.least else f"Choose up to {most}:"


def _quoted(start: str, words: Sequence[str]) -> str:
    *others, last = (f'"{one}"' for one in words)
    return f"{start} {', '.join(others)} or {last}."
