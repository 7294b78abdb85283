"""The cooperation game: everyone plays everyone in every round, with power that payoffs shift."""

from __future__ import annotations

from harness.model import Experiment
from harness.studies import Sources


def study(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The study's one experiment, ``cooperation``."""
    from harness.studies.cooperation.experiment import cooperation_game

    return (cooperation_game(),)
