"""Layer 1: populations of personas, packaged or read from files in TinyTroupe's format."""

from harness.populations.population import Population, load, population_of
from harness.populations.sources import packaged

__all__ = ["Population", "load", "packaged", "population_of"]
