"""The rehearsal model: offline, deterministic, well-formed. Its answers are a rehearsal, never evidence."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any

from harness.gateway.calls import Reply, Request
from harness.gateway.rehearsal import replies, survey_answers
from harness.gateway.rehearsal.schema_sampler import sample
from harness.gateway.requests.call_kinds import texts_of
from harness.gateway.requests.identity import digest
from harness.gateway.requests.logprobs import asks_for_logprobs
from harness.gateway.requests.schemas import checker, wanted_schema

MODEL = "rehearsal-1"
"""The model that its replies name, whatever model it stands in for."""

DIMENSIONS = 1536
"""Numbers in an embedding."""

MOST_ALTERNATIVES = 20
"""Alternatives to a token whose log probabilities a request may ask for; OpenAI's own limit."""

CALLS_A_TOOL = 0.6
"""How often a tool is called where tools are given and none is demanded."""

Author = Callable[[Request, Random], dict[str, Any]]
_AUTHORS: Mapping[str, Author] = {
    "turn": replies.person_turn,
    "score": replies.score,
    "check": replies.check,
    "message": replies.message,
    "preference": replies.preference,
    "extraction": lambda request, rng: replies.extraction_from_schema(_schema(request), rng),
    "survey": survey_answers.answers,
    "agent_reasoning": replies.reaction,
    "CognitiveActionModel": replies.turn,
    "CognitiveActionModelWithReasoning": replies.turn,
    "CognitiveActionsModel": replies.turn,
    "CognitiveActionsModelWithReasoning": replies.turn,
    "LLMScalarWithJustificationResponse": replies.score,
    "LLMScalarWithJustificationAndReasoningResponse": replies.score,
}
"""Name of the requested schema → writer of the answer."""


class RehearsalProvider:
    """A provider that answers from (seed, trial, request, occurrence) alone.

    ``latency`` is slept per call, in seconds. Tokens are estimated at four characters each.
    """

    name = "rehearsal"
    model = MODEL

    def __init__(
        self,
        seed: int,
        *,
        model: str = MODEL,
        latency: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._seed, self.model = seed, model
        self._latency = latency
        self._sleep = sleep

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        """The same answer to the same sample, whatever was asked before."""
        if self._latency:
            await self._sleep(self._latency)
        reply = self.answer(request, trial=trial, occurrence=occurrence)
        await asyncio.sleep(0)  # a call lets others run, as one over a network would
        return reply

    def answer(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        """What `complete` answers, without waiting."""
        key = f"{self._seed}\0{trial}\0{digest(request)}\0{occurrence}"
        rng = Random(hashlib.sha256(key.encode()).digest())
        tools = [] if request.response_format else _tool_calls(request, rng)
        text = "" if tools else _text(request, rng)
        read = sum(map(len, texts_of(request.messages)))
        written = len(text) or len(str(tools))
        return Reply(
            text,
            model=MODEL,
            finish_reason="tool_calls" if tools else "stop",
            tokens_in=math.ceil(read / 4),
            tokens_out=math.ceil(written / 4),
            tool_calls=tools,
            logprobs=_logprobs(text, request, rng) if text and asks_for_logprobs(request) else None,
        )

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:  # noqa: ARG002
        """One unit vector of 1,536 numbers per text, from the text's hash."""
        if self._latency:
            await self._sleep(self._latency)
        return [_unit_vector(text) for text in texts]

    async def aclose(self) -> None:
        """Nothing is held."""


def _text(request: Request, rng: Random) -> str:
    form = request.response_format
    if form is None:
        said = replies.plain_text(request, rng)
        return said if isinstance(said, str) else json.dumps(said)
    if form.get("type") != "json_schema":
        return json.dumps(replies.json_object(request, rng))
    return json.dumps(_structured(request, rng))


def _structured(request: Request, rng: Random) -> Any:
    """The author's answer cut to the schema's properties if it is valid, else one drawn from the schema."""
    schema = wanted_schema(request.response_format)
    is_valid = checker(True if schema is None else schema).is_valid
    author = _AUTHORS.get((request.response_format or {}).get("json_schema", {}).get("name", ""))
    if author is not None:
        properties = _schema(request).get("properties", {})
        answer = {name: value for name, value in author(request, rng).items() if name in properties}
        if is_valid(answer):
            return answer
    return sample(True if schema is None else schema, rng, is_valid)


def _schema(request: Request) -> Mapping[str, Any]:
    schema = wanted_schema(request.response_format)
    return schema if isinstance(schema, Mapping) else {}


def _tool_calls(request: Request, rng: Random) -> list[dict[str, Any]]:
    """One call of a tool where the request insists on one; where it may choose, in six of ten."""
    choice = request.extra.get("tool_choice")
    tools = {
        tool["function"]["name"]: tool["function"]
        for tool in request.extra.get("tools", [])
        if "function" in tool
    }
    if not tools or choice == "none" or (choice in (None, "auto") and rng.random() >= CALLS_A_TOOL):
        return []
    name = choice["function"]["name"] if isinstance(choice, Mapping) else rng.choice(list(tools))
    parameters = tools.get(name, {}).get("parameters", {})
    arguments = sample(parameters, rng, checker(parameters).is_valid)
    call = {"name": name, "arguments": json.dumps(arguments)}
    return [{"id": f"call_{rng.getrandbits(64):016x}", "type": "function", "function": call}]


def _logprobs(text: str, request: Request, rng: Random) -> dict[str, Any]:
    """Log probabilities of the words of ``text``, which stand in for tokens, and of as many others as requested."""
    asked = request.extra.get("top_logprobs")
    others = asked if isinstance(asked, int) and 0 <= asked <= MOST_ALTERNATIVES else 0
    words = re.findall(r"\s*\S+|\s+", text)

    def token(word: str) -> dict[str, Any]:
        return {"token": word, "logprob": round(-rng.expovariate(2.0), 6), "bytes": list(word.encode())}

    content = []
    choices = replies.words_to_choose_from(request)
    if text in choices:
        return {"content": [_choice(text, choices, others, request, rng)], "refusal": None}
    for word in words:
        first = token(word)
        rest = [token(rng.choice(words)) for _ in range(others - 1)]
        content.append({**first, "top_logprobs": [first, *rest][:others]})
    return {"content": content, "refusal": None}


def _choice(text: str, choices: Sequence[str], others: int, request: Request, rng: Random) -> dict[str, Any]:
    """One of the words that the prompt names, with the probabilities of all."""
    name = replies.persona_name(list(texts_of(request.messages)))
    weights = survey_answers.token_weights(choices, name, rng)
    tokens: list[dict[str, Any]] = [
        {"token": word, "logprob": round(math.log(weight), 6), "bytes": list(word.encode())}
        for word, weight in zip(choices, weights, strict=True)
    ]
    return {
        **next(one for one in tokens if one["token"] == text),
        "top_logprobs": sorted(tokens, key=lambda one: -one["logprob"])[:others],
    }


def _unit_vector(text: str) -> list[float]:
    numbers = struct.unpack(f"<{DIMENSIONS}h", hashlib.shake_256(text.encode()).digest(2 * DIMENSIONS))
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length for number in numbers]
