"""Survey populations, sampled and simulated: spec → extend → sample → network → persona → scenario → … → results.

Each stage is a function of its input files, options and seed. Nothing here is imported until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.guests import Sources
    from harness.model import Experiment


def experiments(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The one experiment, ``population``."""
    from harness.experiments.population.experiment import town

    return (town(),)
