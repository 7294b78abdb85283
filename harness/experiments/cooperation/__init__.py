"""The cooperation game: everyone plays everyone in every round, with power that payoffs shift."""

from __future__ import annotations

from harness.guests import Sources
from harness.model import Experiment


def experiments(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The one experiment, ``cooperation``."""
    from harness.experiments.cooperation.experiment import cooperation_game

    return (cooperation_game(),)
