"""The cooperation game: everyone plays everyone in every round, with power that payoffs shift."""

from __future__ import annotations

from harness.experiments import Sources
from harness.model import Experiment


def study(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The study's one experiment, ``cooperation``."""
    from harness.experiments.cooperation.experiment import cooperation_game

    return (cooperation_game(),)
