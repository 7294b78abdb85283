"""Checks before the first call: the variants are equivalent, and the prompt favours none and has no wrong date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from harness.experiments.tool_variants.abilities import Ability, UnreadableError
from harness.experiments.tool_variants.prompts import system_prompt
from harness.experiments.tool_variants.variants import ToolVariant
from harness.model import Experiment

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DATED = re.compile(rf"\b({'|'.join(WEEKDAYS)}),? (\d{{4}}-\d\d-\d\d)\b", re.IGNORECASE)


def problems(experiment: Experiment, variants: Mapping[str, ToolVariant]) -> Iterator[str]:
    """Every fault of the design, one sentence each."""
    mine = f"Experiment {experiment.name}"
    prompt = system_prompt(experiment.settings)
    yield from (f"{mine}: {fault}" for fault in parity(variants, _now(experiment.settings)))
    yield from (f"{mine}: {fault}" for fault in lint(prompt, variants.values()))
    texts = [prompt, *(str(proposal.get("prompt", "")) for proposal in experiment.script.proposals)]
    yield from (f"{mine}: {fault}" for text in texts for fault in weekdays(text))


def parity(variants: Mapping[str, ToolVariant], now: datetime) -> Iterator[str]:
    """Faults of variants that cannot express the same: create once, create recurring, list, update."""
    for variant in variants.values():
        for ability in Ability:
            if ability not in variant.examples:
                yield f"variant {variant.name!r} cannot express {ability}; expected an example call of it."
            elif fault := _inexpressible(variant, ability, now):
                yield f"variant {variant.name!r}, {ability}: {fault}."
    for ability in Ability:
        said = {
            variant.name: variant.read(*variant.examples[ability], now).at  # type: ignore[union-attr]
            for variant in variants.values()
            if ability in variant.examples and not _inexpressible(variant, ability, now)
        }
        if len(set(said.values())) > 1:
            yield f"the examples of {ability} mean different times in {', '.join(said)}; expected the same."


def _inexpressible(variant: ToolVariant, ability: Ability, now: datetime) -> str | None:
    """Why the example does not express the ability, or ``None``: its schema rejects it, or it means something else."""
    from jsonschema import Draft202012Validator

    name, arguments = variant.examples[ability]
    schemas = {one["function"]["name"]: one["function"]["parameters"] for one in variant.schemas()}
    if name not in schemas:
        return f"its example calls {name!r}, which the variant does not have"
    fault = next(iter(Draft202012Validator(schemas[name]).iter_errors(dict(arguments))), None)
    if fault is not None:
        return f"its example does not match the tool's schema: {fault.message}"
    try:
        action = variant.read(name, arguments, now)
    except UnreadableError as error:
        return f"its example cannot be read: {error}"
    return None if action is not None and action.ability == ability else "its example means something else"


def lint(prompt: str, variants: Iterable[ToolVariant]) -> Iterator[str]:
    """Tool names in the shared system prompt, which would favour their variant."""
    spoken = _words(prompt)
    for variant in variants:
        for tool in variant.tools:
            if _words(tool.name) in spoken:
                yield f"the system prompt names {tool.name!r}, a tool of {variant.name!r}; leave it out."


def _words(text: str) -> str:
    return " " + " ".join(re.findall(r"[a-z0-9]+", text.lower())) + " "


def weekdays(text: str) -> Iterator[str]:
    """Dates in ``text`` with a wrong weekday."""
    for found in _DATED.finditer(text):
        try:
            right = WEEKDAYS[date.fromisoformat(found[2]).weekday()]
        except ValueError:
            yield f"{found[2]} is not a date."
            continue
        if right.lower() != found[1].lower():
            yield f"the prompt says {found[1]}, {found[2]}, which is a {right}."


def _now(settings: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(settings["fixed_timestamp"])
