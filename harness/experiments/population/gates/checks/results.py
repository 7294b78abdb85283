"""GR: do the results say what the agents' states say, each share of the same whole?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from harness.experiments.population.formats.scenario import WHAT as SCENARIO
from harness.experiments.population.formats.scenario import OutcomeSpec, ScenarioSpec
from harness.experiments.population.gates.checks.states import States, states_of
from harness.experiments.population.gates.material import Blocked
from harness.experiments.population.gates.numbers import number
from harness.experiments.population.gates.profile import Below
from harness.experiments.population.gates.subject import GateSubject, below, failed, none_of, passed, warned
from harness.experiments.population.gates.wording import listed, share, shown
from harness.model import Check, Level

NAME = "results/outcome_distributions.json"
CLOSE = 0.005
"""Tolerance between a share and its recomputed value."""


def check(subject: GateSubject) -> Iterator[Check]:
    """outcome_distributions.json and by_timestep.json against agent_states.json, agents.json and scenario.yaml."""
    states = states_of(subject.material)
    yield from _people(subject, states)
    yield from _exposed(subject, states)
    told = subject.material.json(NAME)
    if not isinstance(told, dict):
        yield failed("outcomes", "expected an object: outcome → distribution", NAME)
        return
    outcomes = _outcomes(subject)
    missing = [
        one.name for one in outcomes if one.required and one.type != "open_ended" and one.name not in told
    ]
    said = f"{share(len(missing), len(outcomes), 'outcomes of the scenario')} are required and have no distribution"
    yield none_of(
        "outcomes", len(missing), len(outcomes), said + (f": {listed(missing)}" if missing else ""), NAME
    )
    yield from _answered(outcomes, states)
    yield from _shares(told, states, _declared(subject))


def _outcomes(subject: GateSubject) -> list[OutcomeSpec]:
    try:
        return subject.material.form("scenario.yaml", ScenarioSpec, SCENARIO).outcomes.suggested_outcomes
    except Blocked:  # G5 says what is wrong with it
        return []


def _people(subject: GateSubject, states: States) -> Iterator[Check]:
    if not subject.material.has("agents.json"):
        return
    sampled = {one for one in subject.material.agents().ids if isinstance(one, str)}
    there = {one for one in states.ids if isinstance(one, str)}
    strange, lost = len(there - sampled), len(sampled - there)
    twice = len(states) - len(there)
    yield none_of(
        "agents", lost, len(sampled), f"{share(lost, len(sampled), 'agents of agents.json')} have no state"
    )
    yield none_of(
        "agents",
        strange,
        len(there),
        f"{share(strange, len(there), 'states')} are of agents that agents.json lacks",
    )
    yield none_of(
        "agents",
        twice,
        len(states),
        f"{share(twice, len(states), 'states')} are duplicates of an agent",
    )


def _exposed(subject: GateSubject, states: States) -> Iterator[Check]:
    steps = subject.material.json("results/by_timestep.json")
    last = steps[-1] if isinstance(steps, list) and steps else None
    rate, aware = number(last, "exposure_rate"), int(states.aware.sum())
    said = f"{share(aware, len(states), 'agents')} are aware"
    if rate is None:
        yield failed("exposure", f"{said}; by_timestep.json has no exposure_rate at its end")
    elif abs(rate - aware / max(1, len(states))) > CLOSE:
        yield failed(
            "exposure", f"{said}; by_timestep.json ends at {rate:.1%}", number=rate, threshold="the same"
        )
    else:
        yield passed("exposure", said, number=rate, threshold="the same in by_timestep.json")


def _answered(outcomes: list[OutcomeSpec], states: States) -> Iterator[Check]:
    """Among those who reasoned, who has an answer to each required outcome, and one that it allows."""
    rows = [one for one, reasoned in zip(states.outcomes, states.reasoned, strict=True) if reasoned]
    for one in outcomes:
        values = [row.get(one.name) for row in rows]
        have = sum(value is not None for value in values)
        if one.required and rows:
            said = f"{share(have, len(rows), 'agents who reasoned')} have an answer"
            yield below("answers", have / len(rows), Below(warn=0.98, fail=0.9), said, one.name)
        wrong = sum(not _allowed(value, one) for value in values if value is not None)
        if wrong:
            yield failed(
                "answers", f"{share(wrong, have, 'answers')} are none that it allows", one.name, wrong, "none"
            )


def _allowed(value: Any, one: OutcomeSpec) -> bool:
    if one.type == "categorical":
        return value in (one.options or [])
    if one.type == "boolean":
        return isinstance(value, bool)
    if one.type == "float":
        found = number({"value": value}, "value")
        return found is not None and (one.range is None or one.range[0] <= found <= one.range[1])
    return True


def _declared(subject: GateSubject) -> dict[str, Any]:
    """The number of agents behind each outcome by meta.json; extropy-run's has none."""
    meta = subject.material.json("results/meta.json")
    said = meta.get("denominators") if isinstance(meta, dict) else None
    return said if isinstance(said, dict) else {}


def _shares(told: dict[str, Any], states: States, declared: dict[str, Any]) -> Iterator[Check]:
    """Recompute each distribution, and its denominator."""
    wholes: dict[str, int] = {}
    for name, shares in told.items():
        numbers = {key: number(shares, key) for key in shares} if isinstance(shares, dict) else {}
        if not numbers or None in numbers.values():
            yield failed("shares", "expected an object of numbers", name)
        elif {"mean", "min", "max"} <= numbers.keys():
            yield from _mean(name, numbers, states)
        else:
            known = {key: value for key, value in numbers.items() if value is not None}
            found = _whole(name, known, states, number(declared, name))
            yield found
            if found.level is Level.PASS and found.number is not None:
                wholes[name] = int(found.number)
    yield from _denominators(wholes, declared)


def _denominators(wholes: dict[str, int], declared: dict[str, Any]) -> Iterator[Check]:
    wrong = [name for name, whole in wholes.items() if name in declared and number(declared, name) != whole]
    for name in wrong:
        said = (
            f"meta.json declares shares of {shown(declared[name])} agents, but they are of {wholes[name]:,}"
        )
        yield failed("denominators", said, name, wholes[name], "the same")
    groups = [
        (whole, [one for one in wholes if wholes[one] == whole]) for whole in sorted({*wholes.values()})
    ]
    sizes = "; ".join(f"{listed(names)}: of {whole:,} agents" for whole, names in groups)
    if len(groups) > 1 and not wholes.keys() <= declared.keys():
        yield warned(
            "denominators", f"shares are not of the same whole, and not to be compared: {sizes}", NAME
        )
    elif groups and not wrong:
        yield passed("denominators", sizes, NAME)


def _whole(name: str, shares: dict[str, float], states: States, declared: float | None) -> Check:
    """Of how many agents ``shares`` are shares: all, those who reasoned, or those who answered.

    Where nearly all answered, shares of either are close to both: then it is the one that is ``declared``.
    """
    values = [row.get(name) for row in states.outcomes]
    counts = Counter(_label(value) for value in values if value is not None)
    answered, reasoned = sum(counts.values()), int(states.reasoned.sum())
    wholes = [
        (answered, "who answered"),
        (len(states), "of the population"),
        (reasoned, "who reasoned"),
    ]
    for whole, who in sorted(wholes, key=lambda one: one[0] != declared):
        if whole and all(
            abs(shares.get(key, 0) - counts.get(key, 0) / whole) <= CLOSE for key in {*shares, *counts}
        ):
            said = f"are shares of {whole:,} agents {who}; {share(answered, len(states), 'agents')} answered"
            return passed("shares", said, name, whole, "the states' own")
    total = sum(shares.values())
    who = f"{share(answered, len(states), 'agents')} answered"
    said = f"differ from the shares of the states' answers (they add up to {total:.3g}; {who})"
    return failed("shares", said, name, total, "the states' own")


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mean(name: str, told: dict[str, float | None], states: States) -> Iterator[Check]:
    found = [number(row, name) for row in states.outcomes]
    known = [one for one in found if one is not None]
    mean = sum(known) / len(known) if known else None
    said, count = told["mean"], told.get("count")
    if mean is None or said is None or abs(mean - said) > CLOSE * max(1.0, abs(mean)):
        yield failed("means", f"is {said}, the states' own is {mean} over {len(known):,} agents", name, said)
    elif count is not None and count != len(known):
        yield failed(
            "means", f"is declared to be over {count:,.0f} agents; {len(known):,} answered", name, count
        )
    else:
        yield passed("means", f"{shown(name)} over {share(len(known), len(states), 'agents')}", name, said)
