"""The engine `tinytroupe`: the real TinyTroupe package, from a checkout, in worker processes of ours.

`check` says what is missing, `TinyTroupeEngine` runs trials, `expected_calls` counts their calls beforehand.
"""

import os

from harness.engines import Calls, EngineFactory, EngineSettings
from harness.engines.call_bounds import sizes, with_regenerations
from harness.engines.tinytroupe.checkout import check
from harness.engines.tinytroupe.engine import TinyTroupeEngine
from harness.engines.tinytroupe.expected_calls import expected_calls
from harness.errors import ConfigurationError
from harness.model import TrialPlan

__all__ = ["FACTORY", "TinyTroupeEngine", "check", "expected_calls", "workers"]

WAITING_PER_PROCESSOR = 8
"""Worker processes per processor when the model takes its time: each costs some 60 MB and waits most of it."""


def workers(settings: EngineSettings) -> int:
    """How many processes: one per processor, more where replies are awaited."""
    processors = os.cpu_count() or 1
    if settings.workers is not None or {settings.model, settings.judge_model} <= {"rehearsal", None}:
        return settings.workers or processors
    return min(WAITING_PER_PROCESSOR * processors, settings.concurrency or WAITING_PER_PROCESSOR * processors)


def _make(settings: EngineSettings) -> TinyTroupeEngine:
    if settings.checkout is None:
        raise ConfigurationError(
            "Engine 'tinytroupe': TINYTROUPE_REPO_DIR is not set; expected the path of a checkout of "
            "microsoft/TinyTroupe. Set it, or use the engine 'embedded'."
        )
    return TinyTroupeEngine(settings.checkout, workers=workers(settings), temperature=settings.temperature)


def _bounds(trial: TrialPlan) -> tuple[Calls, Calls]:
    calls = expected_calls(**sizes(trial))
    return calls, with_regenerations(calls, trial)


FACTORY = EngineFactory(
    make=_make, code=TinyTroupeEngine, expected_calls=_bounds, arm_fields=frozenset({"instructions"})
)
