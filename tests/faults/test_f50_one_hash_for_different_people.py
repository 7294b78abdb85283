"""F50: two arms record one population's hash while their personas differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness import Experiment, Group, Persona, Population, Proposition, Script, load_population
from harness.runtime.cells import entries_of
from harness.runtime.plan import plan_cell
from harness.runtime.provenance import PlanCode

PEOPLE = (
    Persona("Ada", {"occupation": "trader"}, attributes={"region": "North"}),
    Persona("Bo", {"occupation": "teacher"}, attributes={"region": "South"}),
)
EXPERIMENT = Experiment(
    name="talk",
    population=PEOPLE,
    groups=(Group("Control"), Group("Treatment", instructions="Be brief.")),
    script=Script("Talk."),
    metrics=(Proposition("Kind", "The person is kind."),),
)


def changed_in_place(people: Population) -> Population:
    """What a fixture may do: the population keeps the hash that it was read with."""
    specification: Any = people[0].specification
    specification["mood"] = "hopeful"
    return people


DIFFERENCES: dict[str, Callable[[Population], Population]] = {
    "a specification that a fixture changed in place": changed_in_place,
    "an attribute that no prompt shows": lambda people: load_population(
        [replace(people[0], attributes={"region": "South"}), people[1]]
    ),
    "a weight": lambda people: load_population([replace(people[0], weight=2.0), people[1]]),
    "a name": lambda people: load_population([Persona("Al", {"occupation": "trader"}), people[1]]),
    "the order": lambda people: load_population([people[1], people[0]]),
    "the people": lambda people: people.sample(1, seed=1),
    "weights": lambda people: people.rake({"region": {"North": 0.7, "South": 0.3}}),
}


@pytest.mark.parametrize("change", DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_arms_whose_people_differ_record_different_hashes(change: Callable[[Population], Population]) -> None:
    declared = load_population(PEOPLE)
    mark = declared.sha256
    plans = [
        plan_cell(EXPERIMENT, EXPERIMENT.groups[0], 1, population=declared, engine="embedded"),
        plan_cell(
            EXPERIMENT, EXPERIMENT.groups[1], 1, population=change(load_population(PEOPLE)), engine="embedded"
        ),
    ]
    control, treatment = entries_of(plans, {"talk": mark}, lambda _: PlanCode())
    assert control.first_line["population"]["sha256"] == mark
    assert treatment.first_line["population"]["sha256"] != mark
    assert control.group_settings["population"] is None
    assert treatment.group_settings["population"] == treatment.first_line["population"]["sha256"]
