"""The packaged personas: complete, distinct, within bounds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness.personas
from harness.model import Persona
from harness.personas import load, packaged

FOLDER = Path(harness.personas.__file__).with_name("packaged")
EVERYONE = [persona for name in packaged() for persona in load(name).personas]
KEYS = (
    *(
        "name",
        "age",
        "gender",
        "nationality",
        "residence",
        "education",
        "occupation",
        "long_term_goals",
        "style",
    ),
    *(
        "personality",
        "preferences",
        "beliefs",
        "skills",
        "behaviors",
        "health",
        "relationships",
        "other_facts",
    ),
)
QUADRANTS = ("left-authoritarian", "left-libertarian", "right-authoritarian", "right-libertarian")


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


def sentences(persona: Persona) -> set[str]:
    return {part for text in texts(persona.specification) for part in re.split(r"(?<=[.;:?!]) ", text)}


def test_three_populations_of_twenty() -> None:
    assert packaged() == ("difficult_people", "political_compass", "usa_general")
    assert [len(load(name).personas) for name in packaged()] == [20, 20, 20]


@pytest.mark.parametrize("what", ["name", "residence", "education", "style", "health"])
def test_nobody_is_like_another(what: str) -> None:
    assert not [
        value for value, count in Counter(p.specification[what] for p in EVERYONE).items() if count > 1
    ]


def test_trades_differ_and_ages_are_spread() -> None:
    assert len({persona.specification["occupation"]["title"] for persona in EVERYONE}) == 60
    ages = sorted(persona.specification["age"] for persona in EVERYONE)
    assert (ages[0], ages[-1]) == (19, 84)
    assert len({age // 10 for age in ages}) == 8


@pytest.mark.parametrize("persona", EVERYONE, ids=lambda persona: persona.name)
def test_a_person_is_complete(persona: Persona) -> None:
    own = persona.specification
    assert [key for key in KEYS if key not in own] == []
    assert set(own) <= {*KEYS, "political_compass"}
    assert set(own["occupation"]) == {"title", "organization", "description"}
    assert set(own["personality"]["big_five"]) == {
        "openness",
        "conscientiousness",
        "extraversion",
        "agreeableness",
        "neuroticism",
    }
    assert set(own["preferences"]) == {"interests", "likes", "dislikes"}
    assert set(own["behaviors"]["routines"]) == {"morning", "workday", "evening", "weekend"}
    assert all(set(one) == {"name", "description"} for one in own["relationships"])
    assert min(len(own[key]) for key in ("beliefs", "skills", "long_term_goals", "relationships")) >= 2


@pytest.mark.parametrize("persona", EVERYONE, ids=lambda persona: persona.name)
def test_a_text_is_neither_empty_nor_endless(persona: Persona) -> None:
    assert all(0 < len(text.strip()) == len(text) <= 300 for text in texts(persona.specification))
    file = FOLDER / persona.source.removeprefix("packaged:")
    assert 2_000 <= file.stat().st_size <= 4_096


@pytest.mark.parametrize("persona", EVERYONE, ids=lambda persona: persona.name)
def test_a_file_is_named_after_its_person(persona: Persona) -> None:
    assert Path(persona.source).name == f"{persona.name}.agent.json"
    assert not set(persona.name) & set('<>:"/\\|?*')
    assert (
        json.loads((FOLDER / persona.source.removeprefix("packaged:")).read_text("utf-8"))["type"]
        == "TinyPerson"
    )


def test_no_two_people_share_a_long_sentence() -> None:
    owners: dict[str, set[str]] = {}
    for persona in EVERYONE:
        for sentence in sentences(persona):
            owners.setdefault(sentence, set()).add(persona.name)
    assert {text: names for text, names in owners.items() if len(text) > 60 and len(names) > 1} == {}


def test_most_sentences_are_one_persons_alone() -> None:
    count = Counter(sentence for persona in EVERYONE for sentence in sentences(persona) if len(sentence) > 24)
    assert {text for text, times in count.items() if times > 1} == set()


def test_five_people_stand_in_each_quadrant() -> None:
    quadrants = Counter(p.specification["political_compass"] for p in load("political_compass").personas)
    assert quadrants == dict.fromkeys(QUADRANTS, 5)


def test_the_fragment_fits_everyone() -> None:
    for name in packaged():
        for plain, merged in zip(load(name).personas, load(name, ["difficult_person"]).personas, strict=True):
            traits = merged.specification["personality"]["traits"]
            assert (
                traits[: len(plain.specification["personality"]["traits"])]
                == (plain.specification["personality"]["traits"])
            )
            assert merged.specification["name"] == plain.name
