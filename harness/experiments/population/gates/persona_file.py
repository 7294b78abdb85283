"""population.persona.yaml as far as gates read it. Field names are extropy-run 0.2.3's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.experiments.population.gates.scenario_file import Part


class Treatment(Part):
    """How an attribute is told."""

    attribute: str
    treatment: Literal["concrete", "relative"] = "concrete"
    group: str = ""


class Group(Part):
    """What is told together."""

    name: str
    attributes: list[str]


class Phrasing(Part):
    """An attribute with words of its own."""

    attribute: str


class Options(Phrasing):
    """Words by option."""

    phrases: dict[str, str] = Field(default_factory=dict)
    null_options: list[str] = Field(default_factory=list)
    null_phrase: str | None = None
    fallback: str | None = None


class Template(Phrasing):
    """Words around a value."""

    template: str


class Phrasings(Part):
    """By kind."""

    boolean: list[Phrasing] = Field(default_factory=list)
    categorical: list[Options] = Field(default_factory=list)
    relative: list[Phrasing] = Field(default_factory=list)
    concrete: list[Template] = Field(default_factory=list)


class PersonaFile(Part):
    """The file."""

    intro_template: str = Field(min_length=1)
    treatments: list[Treatment] = Field(default_factory=list)
    groups: list[Group] = Field(default_factory=list)
    phrasings: Phrasings = Phrasings()
