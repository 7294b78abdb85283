"""The cooperation game: in each round every agent plays every other; payoffs shift their power."""

from __future__ import annotations

from harness.guests import Sources
from harness.model import Experiment


def experiments(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The one experiment, ``cooperation``."""
    from harness.experiments.cooperation.experiment import cooperation_game

    return (cooperation_game(),)
