"""scenario.yaml as far as gates read it. Field names are extropy-run 0.2.3's; what is not read here may be anything."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from harness.experiments.population.formats.files import FileModel

Share = Annotated[float, Field(ge=0, le=1)]


class Part(FileModel):
    """Reads what it needs; the rest is its stage's."""

    model_config = ConfigDict(extra="ignore")


class Event(Part):
    """What happens."""

    type: str
    content: str = Field(min_length=1)
    source: str = ""
    credibility: Share = 1
    ambiguity: Share = 0
    emotional_valence: float = Field(default=0, ge=-1, le=1)


class Channel(Part):
    """By what it is heard."""

    name: str


class Rule(Part):
    """Who hears it by ``channel`` at ``timestep``."""

    channel: str
    when: str
    probability: Share
    timestep: int = Field(ge=0)


class Exposure(Part):
    """Channels, and rules that use them."""

    channels: list[Channel] = Field(default_factory=list)
    rules: list[Rule] = Field(default_factory=list)


class ShareModifier(Part):
    """What changes sharing for whom ``when`` holds."""

    when: str


class Spread(Part):
    """From neighbour to neighbour."""

    share_probability: Share
    share_modifiers: list[ShareModifier] = Field(default_factory=list)
    decay_per_hop: Share = 0
    max_hops: int | None = Field(default=None, ge=0)


class Outcome(Part):
    """What is measured."""

    name: str = Field(min_length=1)
    type: Literal["categorical", "boolean", "float", "open_ended"]
    options: list[str] | None = None
    range: list[float] | None = None
    required: bool = True


class Outcomes(Part):
    """All that is measured."""

    suggested_outcomes: list[Outcome] = Field(default_factory=list)


class Simulation(Part):
    """How long."""

    max_timesteps: int = Field(ge=1)
    stop_conditions: list[str] | None = None


class Scenario(Part):
    """The file."""

    meta: dict[str, Any]
    event: Event
    seed_exposure: Exposure
    spread: Spread
    outcomes: Outcomes
    simulation: Simulation
