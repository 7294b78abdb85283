"""GE: what a simulation is expected to take."""

from __future__ import annotations

from collections.abc import Iterator

from harness.experiments.population.gates.material import StudyFiles
from harness.experiments.population.gates.numbers import first
from harness.experiments.population.gates.subject import GateSubject, failed, passed, warned
from harness.model import Check

NAME = "estimate.json"
_COST = (("dollars",), ("total_cost",), ("cost",))


def check(subject: GateSubject) -> Iterator[Check]:
    """estimate.json: calls that are expected, and their price."""
    data = expected(subject.material)
    calls = calls_in(data)
    if calls is None:
        yield failed("calls", "has no number of calls; expected calls, or pass1_calls and pass2_calls", NAME)
    elif calls <= 0:
        yield failed("calls", "no call is expected: no agent would reason", NAME, calls, "above 0")
    else:
        yield passed("calls", f"{calls:,.0f} calls expected", NAME, calls, "above 0")
    cost, most = first(data, *_COST), subject.limits.max_cost
    if cost is None and most is None:
        yield passed("cost", "no price is known, and the profile limits none", NAME)
    elif cost is None:
        yield warned(
            "cost", "no price is known, so the limit cannot be held", NAME, threshold=f"at most ${most:,.2f}"
        )
    elif most is not None and cost > most:
        yield failed("cost", f"${cost:,.2f} expected", NAME, cost, f"at most ${most:,.2f}")
    else:
        yield passed(
            "cost", f"${cost:,.2f} expected", NAME, cost, "" if most is None else f"at most ${most:,.2f}"
        )


def calls_in(data: object) -> float | None:
    """Calls that an estimate counts."""
    both = first(data, ("pass1_calls",)), first(data, ("pass2_calls",))
    if both[0] is not None and both[1] is not None:
        return both[0] + both[1]
    return first(data, ("calls",), ("total_calls",))


def expected(material: StudyFiles) -> object:
    """The estimate; of several cases the one called expected, else the last. Raises `Blocked`."""
    data = material.json(NAME)
    if not isinstance(data, list):
        return data
    cases = [one for one in data if isinstance(one, dict)]
    return next((one for one in cases if one.get("name") == "expected"), cases[-1] if cases else None)


def cost_estimated(material: StudyFiles) -> float | None:
    """In US dollars; ``None`` where it was not estimated. Raises `Blocked`."""
    return first(expected(material), *_COST) if material.has(NAME) else None
