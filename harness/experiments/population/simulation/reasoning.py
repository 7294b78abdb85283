"""What an agent is asked, in two passes: in its role, then by a model that sorts its answer into outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from harness.errors import ModelCallError, RefusedError, UnacceptableReplyError
from harness.experiments.population.formats.scenario import OutcomeSpec, ScenarioSpec
from harness.experiments.population.simulation.state import EarlierThought, ReasoningFailure, Thought
from harness.gateway.calls import CallSite, ModelClient, Request
from harness.model import Usage

REASON, CLASSIFY = "reason", "classify"
"""The kinds of the two calls."""
MAX_TEXT, MAX_SENTENCE = 4_000, 400
"""Kept characters of a model's text: of the whole reasoning, and of what enters other prompts."""
SEVERAL = 5
"""This many agents in a row without a usable reply are a failure; in late steps fewer may be all who reason."""
JOINERS = "\u200c\u200d"
"""Invisible, but part of words and emoji in some scripts."""
LEVELS = ((0.15, "hardly sure"), (0.35, "leaning"), (0.6, "fairly sure"), (0.85, "firm"), (1.0, "certain"))
"""The words in which an agent reads how sure it was, by the upper end of its conviction."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One agent who reasons in a step. ``told_by`` are the kinds of neighbours, ``said`` statements of some of them."""

    place: int
    agent: str
    step: int
    persona: str
    channels: tuple[str, ...]
    told_by: tuple[str, ...]
    said: tuple[tuple[str, str], ...]
    memories: tuple[EarlierThought, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The result of a chunk: a thought or a failure per agent, in order, and its usage."""

    found: Sequence[Thought | ReasoningFailure]
    usage: Usage = field(default_factory=Usage)


class Mind(Protocol):
    """Reasons for agents."""

    async def think(self, asked: Sequence[Asked], name: str) -> Chunk:
        """One thought or failure per agent. ``name`` identifies the chunk within the simulation.

        Raises `ModelCallError` if the simulation cannot continue.
        """


class Clients(Protocol):
    """The source of a chunk's client: the gateway, or the client of a trial."""

    def open(self, name: str) -> ModelClient:
        """A client for the chunk ``name``; its ``usage()``, if any, is that of the chunk."""

    def close(self, client: ModelClient) -> None:
        """Release the client."""


class Questions:
    """The requests of one scenario; ``temperature`` ``None`` leaves it to the gateway."""

    def __init__(self, scenario: ScenarioSpec, temperature: float | None = None) -> None:
        self._scenario, self._temperature = scenario, temperature

    def first(self, asked: Asked) -> Request:
        """In role."""
        system = (
            f"You are this person. Think and answer as they would, in the first person.\n\n{asked.persona}"
        )
        messages = [{"role": "system", "content": system}, {"role": "user", "content": self._news(asked)}]
        return Request(messages, response_format=REACTION, temperature=self._temperature)

    def second(self, reasoning: str) -> Request:
        """The request that classifies what was said."""
        return Request(
            [{"role": "system", "content": self._sorting}, {"role": "user", "content": reasoning}],
            response_format=self._outcomes,
            temperature=self._temperature,
        )

    def _news(self, asked: Asked) -> str:
        event = self._scenario.event
        parts = [f"# What you heard\n{event.content}\nIt comes from: {event.source}.", _ways(asked)]
        if asked.memories:
            parts.append("# What you thought of it before\n" + "\n".join(map(_remembered, asked.memories)))
        if asked.said:
            parts.append(
                "# What people you know say\n"
                + "\n".join(f'- ({kind}) "{text}"' for kind, text in asked.said)
            )
        again = "Say whether and how that changes your mind" if asked.memories else "Say what you think of it"
        return "\n\n".join([*parts, f"{again}, and what you are going to do."])

    @cached_property
    def _sorting(self) -> str:
        lines = [f"- {one.name}: {one.description}" for one in self._scenario.outcomes.suggested_outcomes]
        hints = self._scenario.outcomes.extraction_instructions
        return "\n".join(
            [
                "Read what a person said about some news, and fill in the fields below.",
                "Use only what the person said; do not guess.",
                *lines,
                *([hints] if hints else []),
            ]
        )

    @cached_property
    def _outcomes(self) -> Mapping[str, Any]:
        outcomes = self._scenario.outcomes.suggested_outcomes
        return json_schema("outcomes", {one.name: _outcome_schema(one) for one in outcomes})


def json_schema(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """A response format for an object with these ``properties``, all required."""
    schema = {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


REACTION = json_schema(
    "reaction",
    {
        "reasoning": {"type": "string", "description": "What goes through your mind, in a few sentences."},
        "public_statement": {
            "type": "string",
            "description": "One sentence that you would say to people you know.",
        },
        "reasoning_summary": {
            "type": "string",
            "description": "The main point in one sentence, to remember.",
        },
        "sentiment": {
            "type": "number",
            "minimum": -1,
            "maximum": 1,
            "description": "-1 against it, 1 for it.",
        },
        "conviction": {"type": "integer", "minimum": 0, "maximum": 100, "description": "How sure you are."},
        "will_share": {"type": "boolean", "description": "Whether you will talk about it with others."},
    },
)


def _outcome_schema(one: OutcomeSpec) -> dict[str, Any]:
    kinds: Mapping[str, dict[str, Any]] = {
        "categorical": {"type": "string", "enum": one.options or []},
        "boolean": {"type": "boolean"},
        "float": {"type": "number", "minimum": (one.range or [0])[0], "maximum": (one.range or [0, 0])[-1]},
        "open_ended": {"type": "string"},
    }
    return kinds[one.type] if one.required else {"anyOf": [kinds[one.type], {"type": "null"}]}


def _ways(asked: Asked) -> str:
    lines = [f"- {one}" for one in asked.channels]
    lines += (
        [f"- {len(asked.told_by)} you know told you: {', '.join(sorted(set(asked.told_by)))}"]
        if asked.told_by
        else []
    )
    return "# How you heard of it\n" + "\n".join(lines)


def _remembered(one: EarlierThought) -> str:
    sure = next(name for limit, name in LEVELS if one.conviction <= limit)
    return f"- {one.summary} (You were {sure}.)"


class ModelMind:
    """Calls a model for all agents of a chunk at once; the gateway limits the calls in flight."""

    def __init__(self, scenario: ScenarioSpec, clients: Clients, *, temperature: float | None = None) -> None:
        self._questions, self._clients = Questions(scenario, temperature), clients

    async def think(self, asked: Sequence[Asked], name: str) -> Chunk:
        """Raise `ModelCallError` if a failure is fatal, or if no agent of the chunk got a usable answer, unless they
        are few and the model did reply.
        """
        client = self._clients.open(name)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(one, client)) for one in asked]
        except ExceptionGroup as several:  # the first caused the cancellation of the rest
            raise several.exceptions[0] from None
        finally:
            self._clients.close(client)
        found = [task.result() for task in tasks]
        silent = [isinstance(one, ReasoningFailure) and not one.refused for one in found]
        if all(silent) and (len(found) >= SEVERAL or not all(map(_was_answered, found))):
            first = next(one.reason for one in found if isinstance(one, ReasoningFailure))
            raise ModelCallError(f"No reply for any of {len(found)} agents ({name}): {first}", fatal=True)
        usage: Callable[[], Usage] = getattr(client, "usage", Usage)
        return Chunk(found, usage())

    async def _one(self, asked: Asked, client: ModelClient) -> Thought | ReasoningFailure:
        try:
            said = (
                await client.complete(self._questions.first(asked), CallSite(REASON, asked.agent, asked.step))
            ).data
            sorting = self._questions.second(_cut(said["reasoning"], MAX_TEXT))
            outcomes = (await client.complete(sorting, CallSite(CLASSIFY, asked.agent, asked.step))).data
        except RefusedError as error:
            return ReasoningFailure(str(error)[:MAX_SENTENCE], refused=True)
        except ModelCallError as error:
            if error.fatal:
                raise
            return ReasoningFailure(
                str(error)[:MAX_SENTENCE], answered=isinstance(error, UnacceptableReplyError)
            )
        return _thought(said, outcomes)


def _was_answered(one: Thought | ReasoningFailure) -> bool:
    return not isinstance(one, ReasoningFailure) or one.answered


def _thought(said: Mapping[str, Any], outcomes: Mapping[str, Any]) -> Thought:
    return Thought(
        _cut(said["reasoning"], MAX_TEXT),
        _sentence(said["public_statement"]),
        _sentence(said["reasoning_summary"]),
        round(float(said["sentiment"]), 6),
        said["conviction"] / 100,
        said["will_share"],
        {
            name: _cut(value, MAX_TEXT) if isinstance(value, str) else value
            for name, value in outcomes.items()
        },
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _sentence(text: str) -> str:
    """``text`` on one line, without quotation marks and invisible characters."""
    seen = "".join(one for one in text if one.isprintable() or one.isspace() or one in JOINERS)
    return _cut(" ".join(seen.replace('"', "'").split()), MAX_SENTENCE)
