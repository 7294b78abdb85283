"""GC: how many who should have answered did not. Silence is not an answer, and not evenly spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.experiments.population.gates.checks.states import states_of
from harness.experiments.population.gates.numbers import first, number
from harness.experiments.population.gates.subject import GateSubject, above, failed, warned
from harness.experiments.population.gates.wording import share
from harness.model import Check

_CALLS = (("total_reasoning_calls",), ("calls", "asked"))


def check(subject: GateSubject) -> Iterator[Check]:
    """Calls that failed, as results/meta.json or by_timestep.json count them, and aware agents who never reasoned."""
    limits = subject.limits.call_failures
    sent, lost = _counted(subject)
    if sent is not None and sent <= 0:
        yield failed("call failures", "no call was made, so no model answered", number=0, threshold="above 0")
    elif sent is not None and lost is not None:
        said = f"{share(lost, int(sent), 'reasonings asked for')} failed"
        yield above("call failures", lost / sent, limits, said)
    else:
        yield warned(
            "call failures", "failed calls were not counted; only agents without an answer are known"
        )
    states = states_of(subject.material)
    aware = int(states.aware.sum())
    silent = int((states.aware & ~states.reasoned).sum())
    said = f"{share(silent, aware, 'aware agents')} never reasoned"
    if aware:
        yield above("silent agents", silent / aware, limits, said)
    else:
        yield failed("silent agents", said, threshold="at least 1 aware agent")


def _counted(subject: GateSubject) -> tuple[float | None, float | None]:
    """Reasonings asked for, and those of them that failed, over all timesteps; ``None`` where they were not counted."""
    meta: Any = subject.material.json("results/meta.json")
    if first(meta, *_CALLS) == 0:
        return 0, 0
    steps = subject.material.json("results/by_timestep.json")
    rows = [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []
    failures = [number(one, "agents_failed") for one in rows]
    if not rows or None in failures:
        return first(meta, ("calls", "asked")), first(meta, ("calls", "failed"))
    lost = sum(one for one in failures if one is not None)
    return lost + sum(number(one, "agents_reasoned") or 0 for one in rows), lost
