"""Replays a recorded conversation, so that a judge can score it again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from harness.engines.embedded import prompts, schemas
from harness.engines.embedded.judge import score_panel, score_people
from harness.engines.embedded.model_requests import together
from harness.engines.embedded.persona import Person
from harness.engines.embedded.turn import Action
from harness.engines.embedded.world import World
from harness.gateway.calls import ModelClient
from harness.model import Event, Persona, Proposition, Sample


def instrument() -> str:
    """SHA-256 (hex) of the judge's prompt and schema: scores of different instruments are not pooled."""
    asked = prompts.judge("subject", prompts.evidence("task", "record"), "description", "claim")
    text = json.dumps([asked, schemas.SCORE], sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()


async def score_again(
    personas: Sequence[Persona],
    transcript: Sequence[Event],
    claims: Sequence[Proposition],
    task: str,
    steps: int,
    client: ModelClient,
    *,
    foreign: bool = False,
) -> list[Sample]:
    """Score every claim about every person and the panel, as `EmbeddedEngine.run` does; persons first.

    ``steps`` are the main part's; ``foreign``: another engine wrote the transcript. Raises `ModelCallError`.
    """
    world = World(personas, client)
    if foreign:
        _retell_foreign(world, transcript)
    else:
        _retell(world, transcript, steps)
    about = {kind: [claim for claim in claims if claim.about == kind] for kind in ("person", "panel")}
    people, panel = await together(
        [
            score_people(world.people, about["person"], task, steps + 1, client),
            score_panel(world, about["panel"], task, steps + 1, client),
        ]
    )
    return [*people, *panel]


def _retell(world: World, transcript: Sequence[Event], steps: int) -> None:
    """Replay step by step: everyone acts before anyone hears, and no one overhears the last request."""
    world.transcript += transcript
    people = {person.name: person for person in world.people}
    for number, events in groupby(transcript, lambda event: event.step):
        told = list(events)
        for event in told:
            if event.kind == "stimulus":
                hearers = [people[event.person]] if event.person else world.people
                for person in hearers:
                    person.perceive(event, lasting=event.type == "CONVERSATION")
        for name, turn in _turns(told):
            _remember(people[name], turn)
        if number <= steps:
            _overhear(world, told)


def _turns(events: Iterable[Event]) -> Iterator[tuple[str, list[Event]]]:
    did = (event for event in events if event.kind == "action")
    yield from ((name, list(turn)) for name, turn in groupby(did, lambda event: event.person))


def _remember(person: Person, turn: Sequence[Event]) -> None:
    person.remember_turn([Action(event.type, event.content, event.target) for event in turn], turn)


def _overhear(world: World, events: Iterable[Event]) -> None:
    for event in events:
        if event.kind == "action" and event.type == "TALK":
            for person in world.people:
                if person.name != event.person and event.target in ("", person.name):
                    person.perceive(event)


def _retell_foreign(world: World, transcript: Sequence[Event]) -> None:
    """Replay recorded memories, in which each utterance occurs again with everyone who heard it."""
    people = {person.name: person for person in world.people}
    heard = Counter(_mark(event) for event in transcript)
    told: set[tuple[int, str, str]] = set()
    for event in transcript:
        person, mark = people.get(event.person), _mark(event)
        if event.kind == "action":
            world.transcript.append(event)
            if person is not None:
                _remember(person, [event])
            continue
        spoken = event.source in people and event.type == "CONVERSATION"
        seen = _as_said(event) if spoken else event
        if not spoken and mark not in told:
            world.transcript.append(replace(event, person="") if heard[mark] > 1 else event)
        told.add(mark)
        if person is not None:
            person.perceive(seen)


def _mark(event: Event) -> tuple[int, str, str]:
    """Equal for what several heard at once; a thought belongs to one person."""
    whose = "" if event.type == "CONVERSATION" else event.person
    return event.step, f"{event.kind} {event.type} {whose}", event.content


def _as_said(event: Event) -> Event:
    return replace(event, kind="action", type="TALK", person=event.source, target=event.person)
