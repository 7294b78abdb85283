"""What experiments' own plays check after a run, found by the experiment's name."""

from __future__ import annotations

from collections.abc import Iterable

from harness.instrument import OwnChecks
from harness.model import Check, Experiment
from harness.records import FiledRun
from harness.studies import registered

OWN_ENGINE = "own"
"""What the first lines of runs without an engine of personas name as their engine."""


def own_checks(at_hand: Iterable[Experiment] = ()) -> OwnChecks:
    """For `harness.instrument`: the checks of a run's experiment, which is one of those ``at_hand`` or registered."""
    known = {experiment.name: experiment for experiment in at_hand}

    def examine(run: FiledRun) -> Iterable[Check]:
        if all(line.get("engine") != OWN_ENGINE for line in run.metadata):
            return ()
        experiment = known.get(run.experiment) or _registered(run.experiment)
        play = experiment.play if experiment else None
        return play.examine(run) if play and play.examine else ()

    return examine


def _registered(name: str) -> Experiment | None:
    return next((study[name] for study in registered().values() if name in study), None)
