"""Inputs of simulations: a scenario's files, or the packaged town."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from harness.experiments.population.inputs import Inputs

TIES_SEED = 0
"""The seed of the packaged town's network; the seed of its agents is in the same source."""
READ = ("population.yaml", "network.yaml", "population.persona.yaml", "scenario.yaml")
"""The packaged files of the town."""


class Source(Hashable, Protocol):
    """A source of inputs, identified by ``hashes``. Hashable."""

    def hashes(self) -> Mapping[str, str]:
        """The identity of each input, with little parsing. Raises `ConfigurationError`."""

    def read(self) -> Inputs:
        """The inputs. Raises `ConfigurationError`."""


@dataclass(frozen=True, slots=True)
class Files:
    """``scenario`` and the files that it names; ``personas`` as in `read_inputs`."""

    scenario: Path
    personas: Path | None = None

    def hashes(self) -> Mapping[str, str]:
        """The SHA-256 of each file."""
        from harness.experiments.population.inputs import hashes

        return hashes(self.scenario, self.personas)

    def read(self) -> Inputs:
        """All inputs, validated against each other."""
        from harness.experiments.population.inputs import read_inputs

        return read_inputs(self.scenario, self.personas)


@dataclass(frozen=True, slots=True)
class Town:
    """``agents`` people of the packaged town, drawn and connected on first use."""

    agents: int
    seed: int = 0

    def hashes(self) -> Mapping[str, str]:
        """The SHA-256 of each packaged file, the number of agents, and their seed."""
        from harness.experiments.population.example import PACKAGED

        files = {name: sha256((PACKAGED / name).read_bytes()).hexdigest() for name in READ}
        return {**files, "agents": f"{self.agents} of seed {self.seed}"}

    def read(self) -> Inputs:
        """The inputs, drawn and connected in memory."""
        from harness.experiments.population.build.network import connect
        from harness.experiments.population.build.sampling import sample
        from harness.experiments.population.example import PACKAGED
        from harness.experiments.population.formats.network_config import read_network_config
        from harness.experiments.population.formats.persona import read_personas
        from harness.experiments.population.formats.scenario import read_scenario
        from harness.experiments.population.formats.spec import read_spec
        from harness.experiments.population.inputs import Inputs

        agents = sample(read_spec(PACKAGED / "population.yaml"), count=self.agents, seed=self.seed)
        attributes = frozenset(agents.columns)
        ties = connect(agents, read_network_config(PACKAGED / "network.yaml", attributes), seed=TIES_SEED)
        personas = read_personas(PACKAGED / "population.persona.yaml", attributes)
        scenario = read_scenario(PACKAGED / "scenario.yaml", attributes)
        return Inputs(scenario, agents, ties, personas, self.hashes())


def inputs_of(source: Source) -> Inputs:
    """The inputs, read once for all trials with the same content. Raises `ConfigurationError`."""
    return _read(source, tuple(sorted(source.hashes().items())))


@functools.lru_cache(maxsize=2)
def _read(source: Source, identity: tuple[tuple[str, str], ...]) -> Inputs:  # noqa: ARG001
    return source.read()
