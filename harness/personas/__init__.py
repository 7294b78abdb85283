"""Layer 1: populations of personas, packaged or read from files in TinyTroupe's format."""

from harness.personas.population import Population, digest, fragments_of, load, population_of
from harness.personas.sources import packaged

__all__ = ["Population", "digest", "fragments_of", "load", "packaged", "population_of"]
