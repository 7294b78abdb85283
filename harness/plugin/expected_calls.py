"""How many model calls trials make, by kind: the least and the most, as their engine or play expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from harness.engines import engine_factory
from harness.model import TrialPlan
from harness.user_code import runner

Calls = Counter[str]


def expected_calls(engine: str, trials: Iterable[TrialPlan]) -> tuple[Calls, Calls]:
    """Calls of all ``trials`` by kind. Least: no turn is sent back; most: every turn is, as often as allowed.

    Neither includes rejected replies.
    """
    least, most = Calls(), Calls()
    for trial in trials:
        play = trial.play
        expected = engine_factory(engine).expected_calls if play is None else play.bounds
        if expected is not None:
            what = f"The expected_calls of engine {engine!r}" if play is None else "The play's calls"
            low, high = runner.get().call_now(expected, trial, what=what, then=_both)
            least.update(low)
            most.update(high)
    return +least, +most


def _both(expected: tuple[Mapping[str, int], Mapping[str, int]]) -> tuple[Calls, Calls]:
    low, high = expected
    return Calls(low), Calls(high)
