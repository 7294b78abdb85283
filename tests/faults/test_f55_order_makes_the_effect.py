"""F55: the order of options or items makes the effect of a survey."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.checks import examine
from harness.model import Check, Level
from harness.records import Design, FiledRun, outcomes
from tests.support.records import finished, trials

PEOPLE = 60
DESIGN = Design(
    groups=("Control", "Treatment"),
    metrics=("trust", "stay=yes"),
    person_metrics=("trust", "stay=yes"),
    panels=tuple((f"P{number}",) for number in range(PEOPLE)),
    proposals=1,
    reps=1,
)
OPTIONS = ("yes", "no", "not sure")
PLAY = {
    "survey": [
        {"type": "likert", "name": "trust", "question": "How far do you trust the council?"},
        {"type": "choice", "name": "stay", "question": "Will you stay?", "options": list(OPTIONS)},
    ],
    "ask": "together",
    "memory": True,
    "shuffle_items": True,
    "shuffle_options": True,
}
Trust = Callable[[random.Random, int], float]
Stay = Callable[[random.Random, Sequence[str]], str]


def answers(trust: Trust, stay: Stay) -> list[Check]:
    """The checks of a run whose personas answer by these functions of chance and order."""
    records = []
    for number, trial in enumerate(trials(DESIGN)):
        orders, own = random.Random(f"order/{trial.panel}"), random.Random(f"answer/{number}")
        options, place = orders.sample(OPTIONS, 3), orders.choice((1, 2))
        values: Mapping[str, Any] = {"trust": trust(own, place), "stay": stay(own, options)}

        def number_of(_: Any, metric: str, __: Any, values: Mapping[str, Any] = values) -> float:
            return values["trust"] if metric == "trust" else float(values["stay"] == "yes")

        given = {"trust": (values["trust"], place), "stay": (values["stay"], 3 - place)}
        records.append(
            finished(trial, DESIGN, number_of)
            | {
                "answers": {
                    name: {"status": "answered", "value": value, "position": position}
                    for name, (value, position) in given.items()
                },
                "order": {
                    "items": sorted(given, key=lambda name: given[name][1]),
                    "options": {"stay": options},
                },
            }
        )
    lines = [
        {
            "type": "run_metadata",
            "run_id": "r1",
            "experiment": "exp_3",
            "group": group,
            "settings": {"play": PLAY},
        }
        for group in DESIGN.groups
    ]
    return examine(FiledRun("exp_3", "r1", Path(), (), DESIGN, outcomes(records), tuple(lines)))


def level(checks: Sequence[Check], name: str, about: str) -> Level:
    (found,) = [one for one in checks if (one.name, one.about) == (name, about)]
    assert found.number is not None
    return found.level


def any_trust(rng: random.Random, place: int) -> float:
    return rng.choice((2, 3, 3, 4))


def any_option(rng: random.Random, options: Sequence[str]) -> str:
    return rng.choice(OPTIONS)


def test_answers_that_do_not_depend_on_order_pass() -> None:
    checks = answers(any_trust, any_option)
    assert level(checks, "option order", "stay") is Level.PASS
    assert level(checks, "item order", "trust") is Level.PASS


def test_a_favourite_option_is_no_order_effect() -> None:
    checks = answers(any_trust, lambda rng, options: "yes" if rng.random() < 0.9 else "no")
    assert level(checks, "option order", "stay") is Level.PASS


def test_the_first_option_always_taken_fails() -> None:
    checks = answers(any_trust, lambda rng, options: options[0])
    assert level(checks, "option order", "stay") is Level.FAIL


def test_the_last_option_taken_often_warns() -> None:
    checks = answers(
        any_trust, lambda rng, options: options[2] if rng.random() < 0.3 else rng.choice(OPTIONS)
    )
    assert level(checks, "option order", "stay") is Level.WARN


def test_other_answers_to_late_items_fail() -> None:
    checks = answers(lambda rng, place: rng.choice((2, 3)) + 2 * (place == 2), any_option)
    assert level(checks, "item order", "trust") is Level.FAIL


@pytest.mark.parametrize("names", [("option order", "item order")])
def test_a_survey_in_one_order_has_no_order_to_judge(names: tuple[str, ...]) -> None:
    assert not [one for one in examine(FiledRun("e", "r", Path(), (), DESIGN, {}, ())) if one.name in names]
