"""What experiments' own plays check and answer after a run, found by the experiment's name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from harness.checks import OwnChecks
from harness.guests import registered
from harness.model import Check, Experiment, Play
from harness.records import FiledRun
from harness.reports.parts import Part
from harness.user_code import runner

OWN_ENGINE = "own"
"""What the first lines of runs without an engine of personas name as their engine."""


def own_checks(at_hand: Iterable[Experiment] = ()) -> OwnChecks:
    """For `harness.checks`: the checks of a run's experiment, which is one of those ``at_hand`` or registered."""
    play_of = _plays(at_hand)

    def examine(run: FiledRun) -> Iterable[Check]:
        play = play_of(run)
        if play is None or play.examine is None:
            return ()
        found: list[Check] = runner.get().call_now(play.examine, run, what="The play's examine", then=list)
        return found

    return examine


def own_answers(at_hand: Iterable[Experiment] = ()) -> Callable[[FiledRun, Sequence[Check]], Iterable[Part]]:
    """For `harness.reports`: the experiment's own part of the report on a run."""
    play_of = _plays(at_hand)

    def answer(run: FiledRun, checks: Sequence[Check]) -> Iterable[Part]:
        play = play_of(run)
        if play is None or play.answer is None:
            return ()
        told: list[Part] = runner.get().call_now(
            play.answer, run, checks, what="The play's answer", then=list
        )
        return told

    return answer


def _plays(at_hand: Iterable[Experiment]) -> Callable[[FiledRun], Play | None]:
    known = {experiment.name: experiment for experiment in at_hand}

    def play_of(run: FiledRun) -> Play | None:
        if all(line.get("engine") != OWN_ENGINE for line in run.metadata):
            return None
        experiment = known.get(run.experiment) or _registered(run.experiment)
        return experiment.play if experiment else None

    return play_of


def _registered(name: str) -> Experiment | None:
    return next((guest[name] for guest in registered().values() if name in guest), None)
