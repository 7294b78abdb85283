"""scenario.yaml: an event, who hears of it how and when, how word spreads, what is asked. Names as in extropy-run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from harness.errors import raise_if_any
from harness.experiments.population.formats.files import FileModel, checked, read_yaml
from harness.experiments.population.formats.spec import NAME, expression_problems

WHAT = "Scenario"
Share = Annotated[float, Field(ge=0, le=1)]
MAX_OPTION = 200
MEASURES = ("exposure_rate", "average_sentiment", "average_conviction", "no_state_changes_for")
"""What a stop condition may compare."""
_CONDITION = re.compile(rf"({'|'.join(MEASURES)})\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)|convergence")


class ScenarioEvent(FileModel):
    """What happens; ``content`` is what agents hear."""

    type: Literal[
        "announcement", "news", "rumor", "policy_change", "product_launch", "emergency", "observation"
    ]
    content: str = Field(min_length=1, max_length=20_000)
    source: str
    credibility: Share
    ambiguity: Share = 0.0
    emotional_valence: float = Field(default=0.0, ge=-1, le=1)


class Channel(FileModel):
    """A way by which the event reaches agents; ``reach`` is carried through."""

    name: str = Field(pattern=NAME)
    description: str = ""
    reach: Literal["broadcast", "targeted", "organic"] = "broadcast"
    credibility_modifier: float = Field(default=1.0, ge=0, le=10)


class ExposureRule(FileModel):
    """At ``timestep`` each agent for whom ``when`` holds hears by ``channel``, with this probability."""

    channel: str
    when: str
    probability: Share
    timestep: int = Field(ge=0)


class SeedExposure(FileModel):
    """Who hears from outside."""

    channels: list[Channel] = Field(min_length=1)
    rules: list[ExposureRule] = Field(min_length=1)


class Interaction(FileModel):
    """Carried through."""

    primary_model: Literal[
        "passive_observation", "direct_conversation", "broadcast_response", "deliberative"
    ] = "direct_conversation"
    secondary_model: str | None = None
    description: str = ""


class SpreadModifier(FileModel):
    """Changes the chance of telling where ``when`` holds, over the teller's attributes and ``edge_type``."""

    when: str
    multiply: float = Field(default=1.0, ge=0)
    add: float = 0.0


class SpreadSpec(FileModel):
    """How word passes from one to a neighbour: once each, and again after a change of position."""

    share_probability: Share
    share_modifiers: list[SpreadModifier] = Field(default_factory=list)
    decay_per_hop: Share = 0.0
    max_hops: int | None = Field(default=None, ge=1)


class OutcomeSpec(FileModel):
    """One thing to measure. The first categorical one, required ones before others, is the agents' position."""

    name: str = Field(pattern=NAME)
    type: Literal["categorical", "boolean", "float", "open_ended"]
    description: str = ""
    options: list[str] | None = None
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    required: bool = True
    option_friction: dict[str, Share] | None = None


class OutcomesSpec(FileModel):
    """What is measured; ``option_friction`` and ``capture_full_reasoning`` are carried through."""

    suggested_outcomes: list[OutcomeSpec] = Field(min_length=1, max_length=50)
    capture_full_reasoning: bool = True
    extraction_instructions: str | None = None
    decision_relevant_attributes: list[str] = Field(default_factory=list)

    @property
    def position(self) -> OutcomeSpec | None:
        """The outcome that is an agent's position; ``None`` where none is categorical."""
        among = [one for one in self.suggested_outcomes if one.type == "categorical"]
        return next((one for one in among if one.required), among[0] if among else None)


class SimulationSpec(FileModel):
    """How long; ``exposure_rate > 0.95``, ``no_state_changes_for > 3`` or ``convergence``, say, stop it earlier."""

    max_timesteps: int = Field(ge=1, le=10_000)
    timestep_unit: Literal["minute", "hour", "day", "week", "month"] = "hour"
    stop_conditions: list[str] | None = None
    seed: int | None = None


class ScenarioMeta(FileModel):
    """Names and files; relative ones are taken from the scenario's own folder."""

    name: str
    description: str = ""
    population_spec: str = "population.yaml"
    agents_file: str = "agents.json"
    network_file: str = "network.json"
    created_at: str | datetime | date | None = None


class ScenarioSpec(FileModel):
    """The whole file."""

    meta: ScenarioMeta
    event: ScenarioEvent
    seed_exposure: SeedExposure
    interaction: Interaction = Interaction()
    spread: SpreadSpec
    outcomes: OutcomesSpec
    simulation: SimulationSpec


def read_scenario(path: Path, attributes: frozenset[str] | None = None) -> ScenarioSpec:
    """The scenario in ``path``, for a population with ``attributes`` (``None``: any).

    Raises `ConfigurationError` with every fault.
    """
    scenario = read_yaml(path, ScenarioSpec, WHAT)
    raise_if_any(f"{WHAT} {path}: {fault}" for fault in problems(scenario, attributes))
    return scenario


def scenario_of(data: Any, attributes: frozenset[str] | None, owner: str = WHAT) -> ScenarioSpec:
    """A scenario from plain data. Raises `ConfigurationError` with every fault."""
    scenario = checked(ScenarioSpec, data, owner)
    raise_if_any(f"{owner}: {fault}" for fault in problems(scenario, attributes))
    return scenario


def problems(scenario: ScenarioSpec, attributes: frozenset[str] | None) -> Iterator[str]:
    """What the file's form alone does not show, one sentence each."""
    channels = [one.name for one in scenario.seed_exposure.channels]
    outcomes = [one.name for one in scenario.outcomes.suggested_outcomes]
    for kind, names in (("channel", channels), ("outcome", outcomes)):
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{kind} {name!r}: occurs {names.count(name)} times; expected once."
    for number, rule in enumerate(scenario.seed_exposure.rules):
        yield from _rule_problems(rule, f"seed_exposure.rules.{number}", channels, scenario, attributes)
    for number, one in enumerate(scenario.spread.share_modifiers):
        if attributes is not None:
            known = {*attributes, "edge_type"}
            yield from expression_problems(one.when, known, f"spread.share_modifiers.{number}.when")
    for outcome in scenario.outcomes.suggested_outcomes:
        yield from _outcome_problems(outcome)
    for condition in scenario.simulation.stop_conditions or ():
        if not _CONDITION.fullmatch(condition.strip()):
            measures = ", ".join(MEASURES)
            yield f"stop condition {condition!r:.80}: expected 'convergence', or one of {measures} > a number."
    if attributes is not None:
        for name in scenario.outcomes.decision_relevant_attributes:
            if name not in attributes:
                yield f"decision_relevant_attributes: {name!r} is not an attribute of the population."


def _rule_problems(
    rule: ExposureRule,
    mine: str,
    channels: list[str],
    scenario: ScenarioSpec,
    attributes: frozenset[str] | None,
) -> Iterator[str]:
    if rule.channel not in channels:
        yield f"{mine}: channel {rule.channel!r} is not among the channels: {', '.join(channels)}."
    if rule.timestep >= scenario.simulation.max_timesteps:
        yield f"{mine}: timestep={rule.timestep}; expected below max_timesteps={scenario.simulation.max_timesteps}."
    if attributes is not None:
        yield from expression_problems(rule.when, set(attributes), f"{mine}.when")


def _outcome_problems(one: OutcomeSpec) -> Iterator[str]:
    mine = f"outcome {one.name!r}"
    if one.type == "categorical" and len(set(one.options or ())) < max(2, len(one.options or ())):
        yield f"{mine}: options={one.options!r:.60}; expected two or more, each once."
    for option in one.options or ():
        if not option.strip() or not option.isprintable() or len(option) > MAX_OPTION:
            yield f"{mine}: options: {option!r:.60}; expected words on one line, up to {MAX_OPTION} characters."
    if one.type == "float" and (one.range is None or one.range[0] >= one.range[1]):
        yield f"{mine}: range={one.range!r}; expected [least, most]."
    for name in sorted((one.option_friction or {}).keys() - set(one.options or ())):
        yield f"{mine}: option_friction names {name!r:.60}, which is not an option."


def condition_parts(condition: str) -> tuple[str, str, float] | None:
    """Measure, comparison and number; ``None`` for ``convergence``."""
    found = _CONDITION.fullmatch(condition.strip())
    return (found[1], found[2], float(found[3])) if found and found[1] else None
