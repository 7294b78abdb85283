"""Tool variants: two tool interfaces for the same abilities, compared on the same twenty requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.guests import Guest, Sources

if TYPE_CHECKING:
    from harness.model import Experiment
    from harness.reports.review import CallReader


class ToolVariants(Guest):
    """The one experiment, ``tool_variants``, and how reviewers read its calls."""

    def experiments(self, sources: Sources) -> tuple[Experiment, ...]:  # noqa: ARG002
        from harness.experiments.tool_variants.experiment import tool_variants

        return (tool_variants(),)

    def call_reader(self, experiment: str) -> CallReader | None:
        if experiment != "tool_variants":
            return None
        from harness.experiments.tool_variants.neutral_wording import READING

        return READING
