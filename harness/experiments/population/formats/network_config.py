"""network.yaml: how connected and how alike the connected are. Field names are extropy-run 0.2.3's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from harness.errors import raise_if_any
from harness.experiments.population.formats.files import FileModel, read_yaml
from harness.experiments.population.formats.spec import expression_problems

WHAT = "Network config"


class Likeness(FileModel):
    """The weight of an attribute, and when two agents match in it.

    ``exact``: equal; ``numeric_range``: less the further apart, not at all from ``range_value`` on; ``within_n``:
    at most ``range_value`` levels apart.
    """

    weight: float = Field(ge=0)
    match_type: Literal["exact", "numeric_range", "within_n"] = "exact"
    range_value: float | None = Field(default=None, gt=0)
    ordinal_levels: dict[str, int] | None = None


class DegreeMultiplier(FileModel):
    """Those with this value (``condition``) have so many times the connections. ``rationale`` is carried through."""

    attribute: str
    condition: str | float | bool
    multiplier: float = Field(gt=0, le=100)
    rationale: str = ""


class EdgeType(FileModel):
    """What a connection is called where ``condition`` holds, over ``a_…`` and ``b_…`` attributes of its two ends."""

    name: str
    condition: str
    priority: int = 0
    description: str = ""


class NetworkConfig(FileModel):
    """The whole file.

    ``homophily`` is the assortativity wanted of the attribute that weighs most; the others' are in proportion.
    Targets of other algorithms (similarity_threshold to max_calibration_iterations, influence_factors,
    target_modularity) are read and carried through, and change nothing here.
    """

    avg_degree: float = Field(default=12.0, gt=0, le=1_000)
    target_clustering: float = Field(default=0.35, ge=0, le=1)
    homophily: float = Field(default=0.4, ge=0, le=0.95)
    attribute_weights: dict[str, Likeness] = Field(default_factory=dict)
    degree_multipliers: list[DegreeMultiplier] = Field(default_factory=list)
    edge_type_rules: list[EdgeType] = Field(default_factory=list)
    default_edge_type: str = "peer"
    ordinal_levels: dict[str, dict[str, int]] = Field(default_factory=dict)
    rewire_prob: float | None = None
    similarity_threshold: float | None = None
    similarity_steepness: float | None = None
    triadic_closure_prob: float | None = None
    target_modularity: float | None = None
    community_count: int | None = None
    inter_community_scale: float | None = None
    max_calibration_iterations: int | None = None
    influence_factors: list[dict[str, Any]] = Field(default_factory=list)
    generated_from: str | None = None
    generation_rationale: str | None = None
    seed: int | None = None

    def levels(self, attribute: str) -> Mapping[str, int] | None:
        """The order of the attribute's values, where there is one."""
        mine = self.attribute_weights.get(attribute)
        return mine.ordinal_levels if mine and mine.ordinal_levels else self.ordinal_levels.get(attribute)


def read_network_config(path: Path, attributes: frozenset[str] | None = None) -> NetworkConfig:
    """The config in ``path``, which may name ``attributes`` (``None``: any). Raises `ConfigurationError`."""
    config = read_yaml(path, NetworkConfig, WHAT)
    if attributes is not None:
        raise_if_any(f"{WHAT} {path}: {fault}" for fault in problems(config, attributes))
    return config


def problems(config: NetworkConfig, attributes: frozenset[str]) -> Iterator[str]:
    """What does not fit a population with these attributes."""
    known = ", ".join(sorted(attributes))
    for name, one in config.attribute_weights.items():
        if name not in attributes:
            yield f"attribute_weights: {name!r} is not an attribute; expected one of {known}."
        if one.match_type != "exact" and one.range_value is None:
            yield f"attribute_weights.{name}: {one.match_type} without range_value; expected it."
        if one.match_type == "within_n" and not config.levels(name):
            yield f"attribute_weights.{name}: within_n without ordinal_levels; expected them."
    for multiplier in config.degree_multipliers:
        if multiplier.attribute not in attributes:
            yield f"degree_multipliers: {multiplier.attribute!r} is not an attribute; expected one of {known}."
    ends = {f"{end}_{name}" for end in "ab" for name in attributes}
    for rule in config.edge_type_rules:
        yield from expression_problems(rule.condition, ends, f"edge_type_rules.{rule.name}")
