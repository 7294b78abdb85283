"""Let a model write populations, persona phrasings and scenarios in plain parts, which are assembled here.

A model never writes an expression: it picks attribute, comparison and value from lists. The result is validated like a
file; a faulty reply is rejected and sampled again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from harness.errors import ConfigurationError
from harness.experiments.population.formats.persona import PersonaConfig, personas_of
from harness.experiments.population.simulation.reasoning import json_schema
from harness.experiments.population.formats.scenario import ScenarioSpec, scenario_of
from harness.experiments.population.formats.spec import Attribute, Categorical, PopulationSpec, spec_of
from harness.gateway.calls import CallSite, ModelClient, Request

TRIES = 5
"""The most replies for one part."""
MAX_ADDED, MAX_MODIFIERS, MAX_RULES = 12, 12, 8

Made = TypeVar("Made")
Schema = Mapping[str, Any]
_TEXT: Schema = {"type": "string"}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_NUMBER: Schema = {"type": "number"}


async def write_spec(client: ModelClient, description: str, size: int) -> PopulationSpec:
    """A population from its description. Raises `ModelCallError`, `ConfigurationError` after `TRIES` faulty replies."""
    base: dict[str, Any] = {"meta": {"description": description, "size": size}, "attributes": []}
    return await _with_attributes(client, "spec", base, f"The population: {description}")


async def extend_spec(client: ModelClient, spec: PopulationSpec, scenario: str) -> PopulationSpec:
    """``spec`` with further attributes that matter for ``scenario``. Raises as `write_spec`."""
    base = spec.model_dump(mode="python", exclude_none=True, exclude={"sampling_order", "grounding"})
    base["meta"]["scenario_description"] = scenario
    known = ", ".join(one.name for one in spec.attributes)
    task = f"The population: {spec.meta.description}. It has {known}. What happens to it: {scenario}"
    return await _with_attributes(client, "extend", base, task)


async def _with_attributes(client: ModelClient, kind: str, base: dict[str, Any], task: str) -> PopulationSpec:
    """Ask for new attributes, then for their dependencies. No outcomes: the population precedes the event."""
    ask = "Name attributes of its members that matter, none of them an outcome, and how each is distributed."
    grown = await _asked(
        client, CallSite(kind, step=0), f"{task}\n\n{ask}", {"attributes": _array(_ATTRIBUTE, MAX_ADDED)},
        lambda said: spec_of({**base, "attributes": _joined(base["attributes"], said["attributes"])}),
    )  # fmt: skip
    new = [one for one in grown.attributes if one.name not in {old["name"] for old in base["attributes"]}]
    ask = "Say for which members an attribute differs, and by how much, where that is known to be so."
    schema = {
        "modifiers": {"type": "array", "items": {"anyOf": _modifiers(grown, new)}, "maxItems": MAX_MODIFIERS}
    }
    return await _asked(
        client,
        CallSite(kind, step=1),
        f"{task}\n\n{ask}",
        schema,
        lambda said: _modified(grown, said["modifiers"]),
    )


async def write_personas(client: ModelClient, spec: PopulationSpec) -> PersonaConfig:
    """Phrase the population's attributes in the first person. Raises as `write_spec`."""
    names = [one.name for one in spec.attributes]
    schema = {
        "intro": _TEXT,
        "groups": _array(
            _object(label=_TEXT, attributes=_array({"type": "string", "enum": names}, len(names))), 6
        ),
        "phrasings": _object(**{one.name: _phrasing_schema(one) for one in spec.attributes}),
    }
    known = "\n".join(f"- {one.name}: {one.description}" for one in spec.attributes)
    task = (
        f"The population: {spec.meta.description}. Its attributes:\n{known}\n\nWrite how a member would tell each of "
        "itself, in the first person. {value} stands for a number's value; the intro may use {attribute} names."
    )
    return await _asked(client, CallSite("persona"), task, schema, lambda said: _personas(spec, said))


async def write_scenario(
    client: ModelClient, spec: PopulationSpec, description: str, steps: int
) -> ScenarioSpec:
    """A scenario for ``spec`` from its description, with at most ``steps`` steps. Raises as `write_spec`."""
    task = f"The population: {spec.meta.description}. What happens to it: {description}"
    first = await _asked(
        client, CallSite("scenario", step=0),
        f"{task}\n\nWrite the event, the channels by which it reaches people, and what to measure.", _EVENT, _frame,
    )  # fmt: skip
    channels = [one["name"] for one in first["channels"]]
    rule = _object(
        channel={"type": "string", "enum": channels},
        when={"anyOf": [{"type": "null"}, *_conditions(spec, [one.name for one in spec.attributes])]},
        probability={"type": "number", "minimum": 0.01, "maximum": 1},
        timestep={"type": "integer", "minimum": 0, "maximum": steps - 1},
    )
    schema = {"rules": _array(rule, MAX_RULES), "share_probability": _SHARE, "decay_per_hop": _SHARE}
    return await _asked(
        client, CallSite("scenario", step=1),
        f"{task}\n\nSay who hears of it by which channel and when, and how readily people pass it on.", schema,
        lambda said: _scenario(spec, first, said, description, steps),
    )  # fmt: skip


async def _asked(
    client: ModelClient, site: CallSite, task: str, properties: Schema, make: Callable[[Any], Made]
) -> Made:
    system = (
        "You prepare a survey of a simulated population. Go by what is known of the real one; do not flatter."
    )
    messages = [{"role": "system", "content": system}, {"role": "user", "content": task}]
    request = Request(messages, response_format=json_schema(site.kind, properties))
    for attempt in range(TRIES):
        reply = await client.complete(request, CallSite(site.kind, step=site.step, attempt=attempt))
        try:
            return make(reply.data)
        except ConfigurationError as error:
            client.reject(reply, str(error)[:500])
            faults = error
    raise ConfigurationError(
        f"{site.kind}: {TRIES} replies could not be used; of the last one:", *faults.problems
    )


# Parts of schemas


def _object(**properties: Schema) -> Schema:
    return json_schema("", properties)["json_schema"]["schema"]  # type: ignore[no-any-return]


def _array(items: Schema, most: int, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


_ATTRIBUTE: Schema = {
    "anyOf": [
        _object(
            name=_TEXT, description=_TEXT, type={"type": "string", "enum": ["int", "float"]},
            mean=_NUMBER, std={"type": "number", "minimum": 0.001}, bounds=_array(_NUMBER, 2, 2),
        ),
        _object(
            name=_TEXT, description=_TEXT,
            options=_array(_object(name=_TEXT, weight={"type": "number", "minimum": 0.001, "maximum": 1}), 12, 2),
        ),
        _object(name=_TEXT, description=_TEXT, probability_true=_SHARE),
    ]
}  # fmt: skip
_OUTCOME: Schema = {
    "anyOf": [
        _object(name=_TEXT, description=_TEXT, options=_array(_TEXT, 8, 2)),
        _object(name=_TEXT, description=_TEXT, type={"type": "string", "enum": ["boolean", "open_ended"]}),
        _object(name=_TEXT, description=_TEXT, range=_array(_NUMBER, 2, 2)),
    ]
}
_EVENT: Schema = {
    "type": {"type": "string", "enum": ["announcement", "news", "rumor", "policy_change", "product_launch"]},
    "content": _TEXT,
    "source": _TEXT,
    "credibility": _SHARE,
    "ambiguity": _SHARE,
    "emotional_valence": {"type": "number", "minimum": -1, "maximum": 1},
    "channels": _array(_object(name=_TEXT, description=_TEXT), 5),
    "position": _object(name=_TEXT, description=_TEXT, options=_array(_TEXT, 8, 2)),
    "other_outcomes": _array(_OUTCOME, 4, 0),
}  # fmt: skip


def _conditions(spec: PopulationSpec, names: Sequence[str]) -> list[Schema]:
    """One branch for each attribute: its own options, or a comparison with a number."""
    return [_condition(one) for one in spec.attributes if one.name in names]


def _condition(one: Attribute) -> Schema:
    name = {"type": "string", "enum": [one.name]}
    drawn = one.sampling.distribution
    if one.type == "boolean":
        return _object(attribute=name, value={"type": "boolean"})
    if one.type == "categorical":
        options = drawn.options if isinstance(drawn, Categorical) else None
        return _object(attribute=name, value={"type": "string", "enum": options} if options else _TEXT)
    return _object(
        attribute=name, comparison={"type": "string", "enum": ["<", "<=", ">", ">="]}, value=_NUMBER
    )


def _expression(condition: Mapping[str, Any] | None) -> str:
    if condition is None:
        return "true"
    value = condition["value"]
    written = repr(value) if isinstance(value, str) else str(value).lower()
    return f"{condition['attribute']} {condition.get('comparison', '==')} {written}"


def _modifiers(spec: PopulationSpec, new: Sequence[Attribute]) -> list[Schema]:
    """For each new attribute, its possible changes, conditioned on earlier attributes only."""
    names = [one.name for one in spec.attributes]
    found = []
    for one in new:
        before = _conditions(spec, names[: names.index(one.name)])
        if before:
            found.append(
                _object(
                    attribute={"type": "string", "enum": [one.name]}, when={"anyOf": before}, **_effect(one)
                )
            )
    return found or [_object(attribute={"type": "string", "enum": names[:1]})]


def _effect(one: Attribute) -> dict[str, Schema]:
    if isinstance(one.sampling.distribution, Categorical):
        return {
            "option": {"type": "string", "enum": one.sampling.distribution.options},
            "weight": {"type": "number", "minimum": 0.001, "maximum": 10},
        }
    if one.type == "boolean":
        return {"probability": _SHARE}
    return {"multiply": {"type": "number", "minimum": 0.1, "maximum": 10}}


def _phrasing_schema(one: Attribute) -> Schema:
    drawn = one.sampling.distribution
    if one.type == "boolean":
        return _object(true_phrase=_TEXT, false_phrase=_TEXT)
    if isinstance(drawn, Categorical) and one.type == "categorical":
        return _object(**dict.fromkeys(drawn.options, _TEXT))
    return _object(template=_TEXT)


# Putting together


def slug(text: str, taken: Sequence[str] = ()) -> str:
    """``text`` as an unused name in snake_case."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:50].strip("_")
    name = name if name[:1].isalpha() else f"a_{name}".strip("_")
    number = next((n for n in range(2, 1_000) if f"{name}_{n}" not in taken), 0) if name in taken else 0
    return f"{name}_{number}" if number else name


def _joined(old: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = list(old)
    for one in said:
        found.append(_attribute(one, slug(one["name"], [each["name"] for each in found])))
    return found


def _attribute(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    distribution: dict[str, Any]
    if "options" in said:
        weights = {one["name"]: one["weight"] for one in said["options"]}
        kind = "categorical"
        distribution = {"type": "categorical", "options": list(weights), "weights": list(weights.values())}
    elif "probability_true" in said:
        kind, distribution = "boolean", {"type": "boolean", "probability_true": said["probability_true"]}
    else:
        low, high = sorted(said["bounds"])
        kind, mean = said["type"], min(max(said["mean"], low), high)
        distribution = {"type": "normal", "mean": mean, "std": said["std"], "min": low, "max": high}
    sampling = {"strategy": "independent", "distribution": distribution}
    return {"name": name, "type": kind, "description": said["description"], "sampling": sampling}


def _modified(spec: PopulationSpec, said: Sequence[Mapping[str, Any]]) -> PopulationSpec:
    data = spec.model_dump(mode="python", exclude_none=True, exclude={"sampling_order"})
    by_name = {one["name"]: one["sampling"] for one in data["attributes"]}
    for one in said:
        if "when" in one:
            sampling = by_name[one["attribute"]]
            sampling["strategy"] = "conditional"
            sampling["depends_on"] = sorted({*sampling["depends_on"], one["when"]["attribute"]})
            sampling["modifiers"] = [
                *sampling["modifiers"],
                {"when": _expression(one["when"]), **_change(one)},
            ]
    return spec_of(data)


def _change(one: Mapping[str, Any]) -> dict[str, Any]:
    if "option" in one:
        return {"weight_overrides": {one["option"]: one["weight"]}}
    return (
        {"probability_override": one["probability"]}
        if "probability" in one
        else {"multiply": one["multiply"]}
    )


def _personas(spec: PopulationSpec, said: Mapping[str, Any]) -> PersonaConfig:
    phrasings: dict[str, list[Any]] = {"boolean": [], "categorical": [], "concrete": []}
    for name, one in said["phrasings"].items():
        if "template" in one:
            text = one["template"] if "{value}" in one["template"] else f"{one['template']} {{value}}"
            phrasings["concrete"].append({"attribute": name, "template": text})
        elif {"true_phrase", "false_phrase"} == one.keys():
            phrasings["boolean"].append({"attribute": name, **one})
        else:
            phrasings["categorical"].append({"attribute": name, "phrases": dict(one)})
    groups, told = [], set()
    for number, group in enumerate(said["groups"]):
        mine = [name for name in dict.fromkeys(group["attributes"]) if name not in told]
        told |= set(mine)
        groups += [{"name": f"group_{number}", "label": group["label"], "attributes": mine}] if mine else []
    rest = [one.name for one in spec.attributes if one.name not in told]
    groups += [{"name": "more", "label": "More about me", "attributes": rest}] if rest else []
    data = {"population_description": spec.meta.description, "intro_template": said["intro"]}
    attributes = frozenset(one.name for one in spec.attributes)
    return personas_of({**data, "groups": groups, "phrasings": phrasings}, attributes)


def _frame(said: Mapping[str, Any]) -> dict[str, Any]:
    """The first part of a scenario, with names for references. Raises `ConfigurationError`."""
    channels: list[dict[str, Any]] = []
    for one in said["channels"]:
        channels.append({**one, "name": slug(one["name"], [each["name"] for each in channels])})
    outcomes: list[dict[str, Any]] = []
    for one in [said["position"], *said["other_outcomes"]]:
        outcomes.append({**_outcome(one), "name": slug(one["name"], [each["name"] for each in outcomes])})
    if not said["content"].strip():
        raise ConfigurationError("event: content is empty.")
    event = {
        name: said[name]
        for name in ("type", "content", "source", "credibility", "ambiguity", "emotional_valence")
    }
    return {"event": event, "channels": channels, "outcomes": outcomes}


def _outcome(said: Mapping[str, Any]) -> dict[str, Any]:
    if "options" in said:
        options = list(dict.fromkeys(said["options"]))
        if len(options) < 2:
            raise ConfigurationError(f"outcome {said['name']!r:.60}: fewer than two different options.")
        return {"type": "categorical", "description": said["description"], "options": options}
    if "range" in said:
        return {"type": "float", "description": said["description"], "range": sorted(said["range"])}
    return {"type": said["type"], "description": said["description"]}


def _scenario(
    spec: PopulationSpec, first: Mapping[str, Any], said: Mapping[str, Any], description: str, steps: int
) -> ScenarioSpec:
    rules = [{**one, "when": _expression(one["when"])} for one in said["rules"]]
    data = {
        "meta": {"name": slug(description)[:40], "description": description},
        "event": first["event"],
        "seed_exposure": {"channels": first["channels"], "rules": rules},
        "spread": {"share_probability": said["share_probability"], "decay_per_hop": said["decay_per_hop"]},
        "outcomes": {"suggested_outcomes": first["outcomes"]},
        "simulation": {"max_timesteps": steps, "timestep_unit": "day"},
    }
    return scenario_of(data, frozenset(one.name for one in spec.attributes))
