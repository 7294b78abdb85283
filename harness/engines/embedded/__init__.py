"""The embedded engine: asynchronous personas, room and judges, on the standard library alone."""

from harness.engines import Calls, EngineFactory
from harness.engines.call_bounds import sizes, with_regenerations
from harness.engines.embedded.engine import EmbeddedEngine, expected_calls
from harness.model import TrialPlan

__all__ = ["FACTORY", "EmbeddedEngine", "expected_calls"]


def _bounds(trial: TrialPlan) -> tuple[Calls, Calls]:
    script = trial.script
    calls = expected_calls(
        **sizes(trial),
        introduction=script.introduction is not None,
        consolidation=script.consolidation is not None,
    )
    # an intervention's check is asked only where its functional precondition, which is free, holds
    least = {kind: number for kind, number in calls.items() if kind != "intervention_check"}
    return least, with_regenerations(calls, trial)


FACTORY = EngineFactory(
    make=lambda _: EmbeddedEngine(),
    code=EmbeddedEngine,
    expected_calls=_bounds,
    arm_fields=frozenset({"instructions", "memory_limit"}),
)
