"""What a simulation reads: the scenario, and the files that it names, checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.experiments.population.build.network import Network
from harness.experiments.population.formats import agents as agents_file
from harness.experiments.population.formats import network_file, persona, scenario
from harness.experiments.population.formats import spec as population_file
from harness.experiments.population.formats.agents import Agents, read_agents
from harness.experiments.population.formats.files import sha256
from harness.experiments.population.formats.network_file import read_network
from harness.experiments.population.formats.persona import (
    PersonaConfig,
    Teller,
    plain_personas,
    read_personas,
)
from harness.experiments.population.formats.scenario import ScenarioSpec, read_scenario
from harness.experiments.population.formats.spec import read_spec

PERSONA_SUFFIX = ".persona.yaml"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The parts, and the SHA-256 of each file by what it is."""

    scenario: ScenarioSpec
    agents: Agents
    network: Network
    personas: PersonaConfig
    hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> tuple[str, ...]:
        """Of the outcome that is an agent's position."""
        position = self.scenario.outcomes.position
        return tuple(position.options or ()) if position else ()

    def teller(self) -> Teller:
        """Tells personas, what matters for the decision first."""
        first = tuple(self.scenario.outcomes.decision_relevant_attributes)
        return Teller(self.personas, self.agents, first)


def read_inputs(path: Path, personas: Path | None = None) -> Inputs:
    """The scenario at ``path`` and what belongs to it.

    ``personas`` is a file of persona phrasings; ``None``: the one beside the population's file that is called like it,
    with .persona.yaml, else plain ones. Raises `ConfigurationError` with every fault of the first file that has any.
    """
    files = places(path, personas)
    spec = read_spec(files[population_file.WHAT])
    agents = read_agents(files[agents_file.WHAT])
    attributes = frozenset(agents.columns)
    own = files.get(persona.WHAT)
    return Inputs(
        read_scenario(path, attributes),
        agents,
        read_network(files[network_file.WHAT], agents),
        plain_personas(spec) if own is None else read_personas(own, attributes),
        hashes(path, personas),
    )


def hashes(path: Path, personas: Path | None = None) -> dict[str, str]:
    """The SHA-256 of each file that `read_inputs` reads, by what it is. Raises `ConfigurationError`."""
    return {what: sha256(place, what) for what, place in sorted(places(path, personas).items())}


def places(path: Path, personas: Path | None = None) -> dict[str, Path]:
    """The files that belong to the scenario at ``path``, by what they are. Raises `ConfigurationError`."""
    meta = read_scenario(path).meta
    found = {
        population_file.WHAT: path.parent / meta.population_spec,
        agents_file.WHAT: path.parent / meta.agents_file,
        network_file.WHAT: path.parent / meta.network_file,
        scenario.WHAT: path,
    }
    own = personas or found[population_file.WHAT].with_suffix(PERSONA_SUFFIX)
    return found if personas is None and not own.exists() else {**found, persona.WHAT: own}
