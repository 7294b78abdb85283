"""Small designs of the four experiments' shape, to try an engine on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.model import (
    ActionsAtLeast,
    Cell,
    Correction,
    Extraction,
    Intervention,
    Persona,
    Proposition,
    Script,
    Trial,
    TrialPlan,
)

PEOPLE = ("Ana Lima", "Bo Strand", "Cy Okoro")

SCRIPT = Script(
    introduction="You are here to talk about {topic}.",
    task="Find new uses for {topic}.",
    consolidation="Sum up all that was proposed about {topic}.",
    extraction=Extraction(
        root="ideas",
        fields=("name", "description"),
        metric="ideas_qty",
        objective="Every idea.",
        situation="People look for uses.",
    ),
    proposals=({"topic": "umbrellas"},),
    task_description="They were told: {task}",
)

METRICS = (
    Proposition("adherence", "acts in character"),
    Proposition("fluency", "speaks naturally", include_persona=False),
    Proposition("completion", "the task is done", about="panel"),
)

VARIETY = Intervention(
    "variety",
    "I should try something quite new.",
    textual="has stopped proposing",
    functional=ActionsAtLeast(7),
)


def persona(name: str, **specification: Any) -> Persona:
    plain = {"name": name, "age": 40, "residence": None, "beliefs": [f"{name} is right."]}
    return Persona(name, {**plain, **specification})


def plan(**changes: Any) -> TrialPlan:
    """A trial of three people and two steps; ``changes`` replace fields of the plan."""
    small = TrialPlan(
        trial=Trial(Cell("toy", "Control", 1), 0, 0),
        personas=tuple(persona(name) for name in PEOPLE),
        script=SCRIPT,
        proposal={"topic": "umbrellas"},
        steps=2,
        correction=None,
        interventions=(),
        metrics=METRICS,
        seed=1,
    )
    return replace(small, **changes)


def treatment(**changes: Any) -> TrialPlan:
    """The same with a correction and an intervention."""
    return plan(**{"correction": Correction(5, 2), "interventions": (VARIETY,), **changes})
