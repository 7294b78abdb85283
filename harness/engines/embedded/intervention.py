"""Interventions: when the preconditions hold for a person, insert a thought into that person's memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.engines.embedded import prompts, schemas
from harness.engines.embedded.model_requests import ask
from harness.engines.embedded.persona import Person
from harness.engines.embedded.scoring import read_verdict
from harness.errors import HarnessError
from harness.gateway.calls import CallSite, ModelClient
from harness.model import Event, Intervention
from harness.user_code import UserCodeError, runner

CONTEXT_CHARS = 20_000
"""How much of a person's recent memory a textual precondition is judged by."""


async def intervene(
    person: Person, interventions: Sequence[Intervention], step: int, client: ModelClient
) -> list[tuple[Event | None, Mapping[str, Any]]]:
    """Try all interventions on one person, in order; each sees the effects of the earlier ones.

    Returns, for each whose functional precondition held, the inserted thought (if any) and a record.
    """
    done = []
    for intervention in interventions:
        if await _is_due(person, intervention):
            holds, why = await _holds(person, intervention, step, client)
            done.append(
                (
                    _put(person, intervention, step) if holds else None,
                    _record(person, intervention, step, holds, why),
                )
            )
    return done


async def _is_due(person: Person, intervention: Intervention) -> bool:
    if intervention.functional is None:
        return True
    try:
        due: bool = await runner.get().call(
            intervention.functional, person, what="its functional precondition", then=bool
        )
    except UserCodeError as fault:
        raise HarnessError(
            f"Intervention {intervention.name!r}: {fault}; "
            "expected a function of a person that returns true or false."
        ) from fault
    return due


async def _holds(
    person: Person, intervention: Intervention, step: int, client: ModelClient
) -> tuple[bool, str]:
    if intervention.textual is None:
        return True, ""
    asked = prompts.check_condition(person.name, intervention.textual, person.memory.recent(CONTEXT_CHARS))
    return await ask(
        client, asked, schemas.CHECK, CallSite("intervention_check", person.name, step), read_verdict
    )


def _put(person: Person, intervention: Intervention, step: int) -> Event:
    event = Event(step, person.name, "stimulus", "THOUGHT", intervention.effect, source=intervention.name)
    person.perceive(event)
    return event


def _record(
    person: Person, intervention: Intervention, step: int, fired: bool, why: str
) -> Mapping[str, Any]:
    return {
        "step": step,
        "person": person.name,
        "name": intervention.name,
        "fired": fired,
        "justification": why,
    }
