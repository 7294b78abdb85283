"""Payments: a model proposes the liquidity policies of banks in a real-time gross settlement system."""

from __future__ import annotations

from harness.guests import Sources
from harness.model import Experiment


def experiments(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The one experiment, ``payments``."""
    from harness.experiments.payments.experiment import payments

    return (payments(),)
