"""Find expressions in strategies; negated ones, and those from the prompts, do not count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_SENTENCE = re.compile(r"[.;:!?\n]+")

NEGATIONS = frozenset(
    (
        "not", "no", "never", "neither", "nor", "without", "cannot", "hardly", "unlike", "nobody", "nothing", "isn't",
        "aren't", "don't", "doesn't", "didn't", "won't", "can't", "wasn't", "weren't",
    )
)  # fmt: skip
REACH = 4
"""Words before an expression, in its sentence, that are searched for a negation."""


def words(text: str) -> list[str]:
    """The words of ``text``, in lower case."""
    return [found.replace("’", "'") for found in _WORD.findall(text.casefold())]


def not_given(expressions: Iterable[str], given: Iterable[str]) -> tuple[str, ...]:
    """The ``expressions`` that occur in none of the texts ``given``: repeating a prompt is not evidence."""
    told = [f" {' '.join(words(text))} " for text in given]
    return tuple(one for one in expressions if not any(f" {one} " in text for text in told))


def says(text: str, expressions: Sequence[str]) -> bool:
    """Whether ``text`` has one of ``expressions`` (words in lower case) without a negation before it.

    >>> says("We are identical.", ["identical"]), says("We are surely not identical.", ["identical"])
    (True, False)
    """
    return any(
        _affirmed(words(sentence), one.split()) for sentence in _SENTENCE.split(text) for one in expressions
    )


def _affirmed(sentence: Sequence[str], expression: Sequence[str]) -> bool:
    size = len(expression)
    for place in range(len(sentence) - size + 1):
        if list(sentence[place : place + size]) == list(expression):
            before = sentence[max(0, place - REACH) : place]
            if not NEGATIONS.intersection(before):
                return True
    return False
