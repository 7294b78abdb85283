"""The room: broadcasts, and steps in which everyone acts at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.engines.embedded.correction import act
from harness.engines.embedded.intervention import intervene
from harness.engines.embedded.model_requests import together
from harness.engines.embedded.persona import MEMORY_CHARS, Person
from harness.engines.embedded.turn import Turn, events
from harness.gateway.calls import ModelClient
from harness.model import Correction, CorrectionEvent, Event, Intervention, Persona


class World:
    """One trial's room, with new people without memories.

    ``transcript`` has each event once, in an order that does not depend on which reply came first; broadcasts
    have an empty ``person``.
    """

    def __init__(
        self,
        personas: Sequence[Persona],
        client: ModelClient,
        *,
        correction: Correction | None = None,
        interventions: Sequence[Intervention] = (),
        memory_limit: int = MEMORY_CHARS,
        instructions: str | None = None,
    ) -> None:
        names = [persona.name for persona in personas]
        self.people = tuple(
            Person(
                persona,
                tuple(name for name in names if name != persona.name),
                memory_limit=memory_limit,
                instructions=instructions,
            )
            for persona in personas
        )
        self.transcript: list[Event] = []
        self.corrections: list[CorrectionEvent] = []
        self.interventions: list[Mapping[str, Any]] = []
        self._client, self._correction, self._due = client, correction, tuple(interventions)

    def broadcast(self, text: str, step: int) -> None:
        """Say something to everyone, which is never forgotten."""
        event = Event(step, "", "stimulus", "CONVERSATION", text)
        self.transcript.append(event)
        for person in self.people:
            person.perceive(event, lasting=True)

    async def step(self, number: int) -> None:
        """Run interventions, then everyone's turn from the same state, and then let everyone hear the turns."""
        await self._intervene(number)
        turns = await together(act(person, number, self._correction, self._client) for person in self.people)
        self._deliver(number, turns)

    async def request(self, person: Person, text: str, step: int) -> None:
        """Ask one person something and run that person's turn. No one else hears either."""
        event = Event(step, person.name, "stimulus", "CONVERSATION", text)
        self.transcript.append(event)
        person.perceive(event, lasting=True)
        self._do(person, step, *await act(person, step, self._correction, self._client))

    async def _intervene(self, step: int) -> None:
        tried = await together(intervene(person, self._due, step, self._client) for person in self.people)
        for put, record in (outcome for outcomes in tried for outcome in outcomes):
            self.interventions.append(record)
            if put is not None:
                self.transcript.append(put)

    def _deliver(self, step: int, turns: Sequence[tuple[Turn, CorrectionEvent | None]]) -> None:
        # All act before anyone hears the others.
        done = [self._do(person, step, *turn) for person, turn in zip(self.people, turns, strict=True)]
        for speaker, said in zip(self.people, done, strict=True):
            for event in said:
                self._hear(speaker, event)

    def _do(
        self, person: Person, step: int, turn: Turn, sent_back: CorrectionEvent | None
    ) -> tuple[Event, ...]:
        did = events(turn, person.name, step)
        person.remember_turn(turn, did)
        self.transcript += did
        if sent_back is not None:
            self.corrections.append(sent_back)
        return did

    def _hear(self, speaker: Person, event: Event) -> None:
        if event.type != "TALK":
            return
        for person in self.people:
            if person is not speaker and event.target in ("", person.name):
                person.perceive(event)
