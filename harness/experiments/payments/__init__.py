"""Payments: banks in a real-time gross settlement day, whose liquidity policies a model proposes, round by round."""

from __future__ import annotations

from harness.guests import Sources
from harness.model import Experiment


def experiments(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The one experiment, ``payments``."""
    from harness.experiments.payments.experiment import payments

    return (payments(),)
