"""``harness population``, ``harness gates`` and ``harness study build``, as entry points add them."""

from harness.experiments.population.commands import simulations as simulations  # adds its commands
from harness.experiments.population.commands.stages import group as population

__all__ = ["population"]
