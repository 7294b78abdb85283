"""Does an attribute give the outcome away? What is to be measured must not be handed out when agents are drawn."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from harness.experiments.population.gates.subject import failed, passed, warned
from harness.experiments.population.gates.wording import listed, shown
from harness.model import Check

_ENDINGS = (
    "ations",
    "ating",
    "ation",
    "ated",
    "ates",
    "ate",
    "ments",
    "ment",
    "ings",
    "ions",
    "ing",
    "ion",
    "ed",
    "es",
)
_SHORTEST = 4
"""Letters that a stem keeps at least."""
MEASURES = (
    "answer attitude choice decision final initial intent intention level likelihood outcome position predisposition "
    "prior probability propensity rate reaction response result score sentiment stance status support tendency toward "
    "willingness"
)
"""Words that make a name a measure of something; alone they say nothing of what is measured."""
_FILLERS = frozenset({"a", "an", "and", "for", "in", "is", "of", "on", "or", "the", "their", "to", "with"})


@dataclass(frozen=True, slots=True)
class MeasuredOutcome:
    """An outcome: its name, and its options where it has some."""

    name: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Handed:
    """An attribute that agents have."""

    name: str
    description: str = ""
    options: tuple[str, ...] = ()


def leaks(outcomes: Collection[MeasuredOutcome], attributes: Iterable[Handed]) -> Iterator[Check]:
    """FAIL where an attribute is the outcome or its answers, WARN where it has the outcome's words."""
    found, count = [], 0
    for attribute in attributes:
        count += 1
        found += [one for outcome in outcomes if (one := _leak(outcome, attribute)) is not None]
    yield from found
    if not found:
        said = f"{count} attributes beside {listed(one.name for one in outcomes)}"
        yield passed("outcome leakage", said, number=0, threshold="no outcome among the attributes")


def _leak(outcome: MeasuredOutcome, attribute: Handed) -> Check | None:
    about, expected = attribute.name, "no outcome among the attributes"
    mine = shown(outcome.name)
    words, own = stems(outcome.name), stems(attribute.name)
    subject = words - _MEASURE_STEMS or words
    shared = {one.casefold() for one in outcome.options} & {one.casefold() for one in attribute.options}
    if words == own:
        return failed("outcome leakage", f"is the outcome {mine}", about, threshold=expected)
    if len(shared) >= 2 and 2 * len(shared) >= len(outcome.options) and not _bland(shared):
        said = f"has {len(shared)} of {len(outcome.options)} answers of the outcome {mine}"
        return failed("outcome leakage", said, about, len(shared), expected)
    if subject <= own and own - subject <= _MEASURE_STEMS:
        return failed("outcome leakage", f"says the outcome {mine} in other words", about, threshold=expected)
    if subject <= own:
        return warned("outcome leakage", f"has the words of the outcome {mine}", about, threshold=expected)
    if words <= stems(attribute.description) and len(words) > 1:
        said = f"is described in the words of the outcome {mine}"
        return warned("outcome leakage", said, about, threshold=expected)
    return None


def stems(text: str) -> set[str]:
    """The words of ``text`` without endings, so that ``adoption`` and ``adopted`` meet."""
    words = re.findall(r"[^\W_]+", text[:2_000].casefold())
    return {_stem(word) for word in words if word not in _FILLERS}


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            return _single(word[: -len(ending)])
    return _single(word.removesuffix("s") if len(word) > _SHORTEST else word)


def _single(word: str) -> str:
    """With one letter at the end where there are two: ``cancell`` and ``cancel``."""
    return word[:-1] if len(word) > _SHORTEST and word[-1] == word[-2] else word.removesuffix("e")


def _bland(options: set[str]) -> bool:
    """Answers that any question has."""
    return options <= {"yes", "no", "true", "false", "low", "medium", "high", "none", "other", "unknown"}


_MEASURE_STEMS = frozenset(_stem(word) for word in MEASURES.split())
