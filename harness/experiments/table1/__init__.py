"""Table 1 of the TinyTroupe paper: four experiments, Control against Treatment.

The settings are those of the published notebooks (`settings`). The words are the packaged ones, written for
this project, or come out of the notebooks themselves when a folder of them is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.experiments.table1.experiments import load
from harness.experiments.table1.settings import TABLE, ExperimentSettings

if TYPE_CHECKING:
    from harness.experiments import Sources
    from harness.model import Experiment

__all__ = ["TABLE", "ExperimentSettings", "load", "study"]


def study(sources: Sources) -> tuple[Experiment, ...]:
    """What the entry point registers: all four, or those whose notebooks a folder of the user's choice has.

    Raises `ConfigurationError` as `load` does.
    """
    folder = sources.notebooks
    there = [row.name for row in TABLE if folder is not None and (folder / row.notebook).is_file()]
    only = there if there and not sources.whole else None
    return load(folder, accept_differences=sources.accept_differences, only=only)
