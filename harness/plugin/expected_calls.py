"""How many model calls a trial makes, by kind: the least and the most, from its engine's own formula."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.model import Measure, Proposition, Script, TrialPlan
from harness.user_code import runner

Calls = Counter[str]


def expected_calls(engine: str, trials: Iterable[TrialPlan]) -> tuple[Calls, Calls]:
    """Calls of all ``trials`` by kind. Least: no turn is sent back; most: every turn is, as often as allowed.

    Replies that are of no use, and are asked for again, are in neither.
    """
    least, most = Calls(), Calls()
    for trial in trials:
        low, high = _of_trial(engine, trial)
        least.update(low)
        most.update(high)
    return least, most


def _of_trial(engine: str, trial: TrialPlan) -> tuple[Calls, Calls]:
    if trial.play is not None:
        if trial.play.calls is None:
            return Calls(), Calls()
        low, high = runner.get().call_now(trial.play.calls, trial, what="The play's calls", then=_both)
        return low, high
    correction, script = trial.correction, trial.script
    calls = _formula(engine, script)(
        len(trial.personas),
        trial.steps,
        correction=correction is not None,
        interventions=sum(one.textual is not None for one in trial.interventions),
        person_metrics=_claims(trial.metrics, "person"),
        panel_metrics=_claims(trial.metrics, "panel"),
        extraction=script.extraction is not None,
    )
    least, most = Calls(calls), Calls(calls)
    if engine == "embedded":
        del least["intervention_check"]  # asked only where the functional precondition, which is free, holds
    if correction is not None and correction.regeneration:
        most["regenerate"] += correction.max_attempts * calls["act"]
        for kind in ("quality_check", "combine"):  # each new attempt has its own
            most[kind] += correction.max_attempts * calls.get(kind, 0)
    return +least, +most


def _both(expected: tuple[Mapping[str, int], Mapping[str, int]]) -> tuple[Calls, Calls]:
    low, high = expected
    return Calls(low), Calls(high)


def _claims(metrics: Sequence[Proposition | Measure], about: str) -> int:
    return sum(isinstance(metric, Proposition) and metric.about == about for metric in metrics)


def _formula(engine: str, script: Script) -> Callable[..., dict[str, int]]:
    if engine == "embedded":
        from harness.engines.embedded import expected_calls

        parts = {"introduction": script.introduction, "consolidation": script.consolidation}
        return functools.partial(expected_calls, **{name: words is not None for name, words in parts.items()})
    from harness.engines import tinytroupe

    return tinytroupe.expected_calls
