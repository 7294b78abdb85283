"""Simulated persons and their memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby

from harness.engines.embedded import prompts
from harness.engines.embedded.transcript import joined, line, newest, perceived
from harness.engines.embedded.turn import MAX_ACTIONS, Action, as_json
from harness.gateway.calls import Message
from harness.model import Event, Persona

MEMORY_CHARS = 200_000
"""The capacity of an episodic memory in characters: about 50,000 tokens."""
_AFTER_FORGETTING = 0.75


@dataclass(frozen=True, slots=True)
class _Entry:
    text: str
    """As the person sees it in a prompt."""
    line: str
    """As others, who judge, see it."""
    own: bool = False
    lasting: bool = False

    @property
    def size(self) -> int:
        return len(self.text)


class Memory:
    """The episodic memory of one trial, as chat messages that only grow at their end.

    Beyond ``limit`` characters the oldest entries are forgotten, down to three quarters, and a note gives their
    number; introduction and task are never forgotten. `shrink` does the same for a model whose context is too small.
    """

    def __init__(self, limit: int = MEMORY_CHARS) -> None:
        self.limit = limit
        self.forgotten = 0
        self._entries: list[_Entry] = []
        self._fresh: list[_Entry] = []
        self._messages: list[Message] = []
        self._size = 0

    def add(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._fresh.append(entry)
        self._size += entry.size
        if self._size > self.limit:
            self._forget()

    def messages(self) -> Sequence[Message]:
        """The memory as alternating ``user`` (perceived) and ``assistant`` (done) messages."""
        self._write(self._fresh)
        self._fresh = []
        if self._last_role != "user":
            self._messages.append(prompts.user(prompts.NOTHING_NEW))
        return tuple(self._messages)

    def shrink(self) -> bool:
        """Forget the older half, for good; false where nothing is left that can be forgotten."""
        before = self.forgotten
        self.limit = int(self._size / 2 / _AFTER_FORGETTING)
        self._forget()
        return self.forgotten > before

    def recent(self, limit: int) -> str:
        """The newest lines within ``limit`` characters, as others see them."""
        return newest([entry.line for entry in self._entries], limit, forgotten=self.forgotten)

    @property
    def _last_role(self) -> str:
        return str(self._messages[-1]["role"]) if self._messages else ""

    def _write(self, entries: Sequence[_Entry]) -> None:
        for own, group in groupby(entries, lambda entry: entry.own):
            if not own:
                self._perceive("\n\n".join(entry.text for entry in group))
                continue
            for entry in group:
                if self._last_role != "user":
                    self._perceive(prompts.NOTHING_NEW)
                self._messages.append(prompts.assistant(entry.text))

    def _perceive(self, text: str) -> None:
        if self._last_role == "user":
            text = f"{self._messages.pop()['content']}\n\n{text}"
        self._messages.append(prompts.user(text))

    def _forget(self) -> None:
        goal, kept = self.limit * _AFTER_FORGETTING, []
        for number, entry in enumerate(self._entries):
            if self._size <= goal or entry.lasting or number == len(self._entries) - 1:
                kept.append(entry)
            else:
                self._size -= entry.size
                self.forgotten += 1
        self._entries = kept
        self._messages = []
        self._fresh = list(chain([_Entry(prompts.forgotten(self.forgotten), "")], kept))


class Person:
    """A member of the panel during one trial. Functional preconditions of interventions get this object.

    ``actions_count`` counts every action since the trial began, DONE included; ``acted`` is whether there was another.
    """

    def __init__(
        self,
        persona: Persona,
        others: tuple[str, ...],
        *,
        memory_limit: int = MEMORY_CHARS,
        instructions: str | None = None,
    ) -> None:
        self.persona = persona
        self.name = persona.name
        self.others = others
        self.actions_count = 0
        self.acted = False
        self.memory = Memory(memory_limit)
        self.description = prompts.describe(persona)
        self._system = prompts.system(
            prompts.be(persona.name, self.description, others, MAX_ACTIONS - 1, instructions)
        )

    def perceive(self, event: Event, *, lasting: bool = False) -> None:
        """Remember an event that was heard or came to mind."""
        self.memory.add(_Entry(perceived(event, self.name), line(event), lasting=lasting))

    def remember_turn(self, turn: Sequence[Action], events: Sequence[Event]) -> None:
        """Remember this person's actions and count them."""
        self.actions_count += len(turn)
        self.acted = self.acted or any(action.type != "DONE" for action in turn)
        self.memory.add(_Entry(as_json(turn), joined(map(line, events)), own=True))

    def prompt(self) -> tuple[Message, ...]:
        """The messages that request this person's next turn."""
        return (self._system, *self.memory.messages())
