"""Survey populations, sampled and simulated: spec → extend → sample → network → persona → scenario → … → results.

Each stage is a function of its input files, options and seed. Nothing here is imported until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.experiments import Sources
    from harness.model import Experiment


def study(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The study's one experiment, ``population``."""
    from harness.experiments.population.experiment import town

    return (town(),)
