"""GE: what a simulation is expected to take."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model import Check
from harness.operations.gates.material import Material
from harness.operations.gates.numbers import first
from harness.operations.gates.subject import Subject, failed, passed, warned

NAME = "estimate.json"
_COST = (("total_cost",), ("cost",), ("cost", "estimated_usd"), ("cost_usd",))


def check(subject: Subject) -> Iterator[Check]:
    """estimate.json: calls that are expected, and their price."""
    data = subject.material.json(NAME)
    calls = calls_in(data)
    if calls is None:
        yield failed("calls", "says no number of calls; expected calls, or pass1_calls and pass2_calls", NAME)
    elif calls <= 0:
        yield failed("calls", "no call is expected: nobody would reason", NAME, calls, "above 0")
    else:
        yield passed("calls", f"{calls:,.0f} calls expected", NAME, calls, "above 0")
    cost, most = first(data, *_COST), subject.limits.max_cost
    if cost is None:
        yield warned("cost", "no price is known, so no envelope can be held", NAME, threshold="a price")
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
    return first(data, ("calls",), ("total_calls",), ("calls", "total"))


def cost_estimated(material: Material) -> float | None:
    """In US dollars; ``None`` where nobody estimated it. Raises `Blocked`."""
    return first(material.json(NAME), *_COST) if material.has(NAME) else None
