"""Tool variants × scenarios: the same abilities behind two interfaces, asked the same twenty things."""

from __future__ import annotations

from harness.experiments import Sources
from harness.model import Experiment


def study(sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG001
    """The study's one experiment, ``tool_variants``."""
    from harness.experiments.tool_variants.experiment import tool_variants

    return (tool_variants(),)
