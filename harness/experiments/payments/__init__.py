"""Payments: banks in a real-time gross settlement day, whose liquidity policies a model proposes, round by round."""

from __future__ import annotations

from harness.experiments import Sources
from harness.model import Experiment


def study(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The study's one experiment, ``payments``."""
    from harness.experiments.payments.experiment import payments

    return (payments(),)
