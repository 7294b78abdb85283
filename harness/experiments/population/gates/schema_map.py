"""A schema map: which attribute plays which role of a profile, and further rules."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from pydantic import Field

from harness.errors import raise_if_any
from harness.experiments.population.formats.files import read_yaml
from harness.experiments.population.gates.profile import Profile
from harness.experiments.population.gates.rules import AgentRules, Name, names_read, rule_problems
from harness.experiments.population.gates.wording import listed, shown

WHAT = "Schema map"


class SchemaMap(AgentRules):
    """Rules over attributes.

    ``fields``: role → attribute. ``values``: role → (the attribute's value → the profile's). ``required``: attributes
    that all agents have; ``optional``: those that may be empty. ``outcomes``: names that no attribute may give away.
    """

    fields: dict[Name, Name] = Field(default_factory=dict)
    values: dict[Name, dict[str, str]] = Field(default_factory=dict)
    required: list[Name] = Field(default_factory=list)
    optional: list[Name] = Field(default_factory=list)
    outcomes: list[Name] = Field(default_factory=list)


def load_schema_map(path: Path) -> SchemaMap:
    """The schema map in ``path``. Raises `ConfigurationError` with every fault."""
    schema = read_yaml(path, SchemaMap, WHAT)
    raise_if_any(f"{WHAT} {path}: {problem}" for problem in _problems(schema))
    return schema


def _problems(schema: SchemaMap) -> Iterator[str]:
    yield from rule_problems(schema)
    for role in sorted(schema.values.keys() - schema.fields.keys()):
        yield f"values.{shown(role)}: no such role in fields; name its attribute there."
    for name in sorted({*schema.required} & {*schema.optional}):
        yield f"{shown(name)}: both required and optional; expected one of the two."


def lacking(schema: SchemaMap | None, profile: Profile, attributes: Collection[str]) -> list[str]:
    """Why not all rules can be checked for agents with ``attributes``; empty if they can."""
    if schema is None:
        return ["no schema map was given"]
    found = []
    if unmapped := [role for role in profile.roles if role not in schema.fields]:
        found.append(f"the schema map names no attribute for {listed(unmapped)}")
    absent = ({*schema.fields.values(), *schema.required} | names_read(schema)) - {*attributes}
    if absent:
        found.append(f"no agent has {listed(sorted(absent))}, which the schema map names")
    if profile.needs_priors and not schema.priors and not profile.priors:
        found.append(f"profile {shown(profile.name)} needs priors, and the schema map has none")
    return found
