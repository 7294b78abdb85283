"""Payments: banks in a real-time gross settlement day, whose liquidity policies a model proposes, round by round."""

from __future__ import annotations

from harness.model import Experiment
from harness.studies import Sources


def study(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The study's one experiment, ``payments``."""
    from harness.studies.payments.experiment import payments

    return (payments(),)
