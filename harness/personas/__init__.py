"""Layer 1: populations: packaged, from tables or from TinyTroupe's files; samples and weights."""

from harness.model import Draw
from harness.personas.loading import fragments_of, load, population_of
from harness.personas.population import Population, digest
from harness.personas.sources import packaged

__all__ = ["Draw", "Population", "digest", "fragments_of", "load", "packaged", "population_of"]
