"""What the rehearsal model answers to the questions of a survey, from the schema of the answers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from harness.gateway.calls import Request
from harness.gateway.rehearsal import phrases
from harness.gateway.rehearsal.replies import persona_name
from harness.gateway.requests.call_kinds import texts_of
from harness.gateway.requests.schemas import wanted_schema

OPTS_OUT = 0.08
"""How often an answer such as "don't know" is given where an item allows it."""
UNBOUNDED = (0.0, 100.0)
"""Between which a number is drawn whose bounds are not given."""


def answers(request: Request, rng: Random) -> dict[str, Any]:
    """An answer for each property: a person leans one way on all scales, and prefers some options to others."""
    schema = wanted_schema(request.response_format)
    properties = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
    name = persona_name(list(texts_of(request.messages)))
    return {key: _answer(one, name, rng) for key, one in properties.items()}


def token_weights(words: Sequence[str], name: str, rng: Random) -> list[float]:
    """The probabilities of ``words`` as one person's answer, which add up to 0.97."""
    weights = [_liking(name, word) * rng.uniform(0.5, 1.5) for word in words]
    return [0.97 * weight / sum(weights) for weight in weights]


def _answer(schema: Mapping[str, Any], name: str, rng: Random) -> Any:
    if "anyOf" in schema:
        usual, opting_out = schema["anyOf"]
        return rng.choice(opting_out["enum"]) if rng.random() < OPTS_OUT else _answer(usual, name, rng)
    if "enum" in schema:
        options = schema["enum"]
        return rng.choices(options, [_liking(name, str(one)) for one in options])[0]
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return _number(schema, name, rng)
    if kind == "array":
        return _list(schema, name, rng)
    if kind == "object":
        return _object(schema["properties"], name, rng)
    return phrases.capitalised(phrases.sentence(rng))


def _number(schema: Mapping[str, Any], name: str, rng: Random) -> float:
    """A number around the person's leaning, within bounds."""
    low = schema.get("minimum", UNBOUNDED[0])
    high = schema.get("maximum", max(UNBOUNDED[1], low + UNBOUNDED[1]))
    leaning = Random(name).gauss(0.5, 0.2)
    while not 0 <= (place := rng.gauss(min(max(leaning, 0.1), 0.9), 0.22)) <= 1:
        pass
    value: float = low + place * (high - low)
    return round(value) if schema["type"] == "integer" else round(value, 1)


def _list(schema: Mapping[str, Any], name: str, rng: Random) -> list[str]:
    """Options by the person's liking, some or all of them."""
    options = schema["items"]["enum"]
    ranked = sorted(options, key=lambda one: -_liking(name, one) * rng.uniform(0.5, 1.5))
    least = max(schema.get("minItems", 0), min(1, len(options)))
    return ranked[: rng.randint(least, max(least, schema.get("maxItems", len(options))))]


def _object(properties: Mapping[str, Any], name: str, rng: Random) -> dict[str, Any]:
    """A rating for each property, or amounts that add up to the total where each may take all of it."""
    first = next(iter(properties.values()))
    if first.get("minimum") != 0:
        return {key: _answer(one, name, rng) for key, one in properties.items()}
    total: int = first["maximum"]
    options = [str(one.get("description", key)) for key, one in properties.items()]
    weights = [_liking(name, option) * rng.uniform(0.5, 1.5) for option in options]
    amounts = [int(total * weight / sum(weights)) for weight in weights]
    amounts[0] += total - sum(amounts)
    return dict(zip(properties, amounts, strict=True))


def _liking(name: str, option: str) -> float:
    """How much a person likes an option, from 0.2 to 1: the same whenever asked."""
    return 0.2 + 0.8 * Random(f"{name}/{option}").random()
