"""G5: can the scenario reach any agent, and can its outcome be measured?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.experiments.population.formats.expressions import ExpressionError, parse
from harness.experiments.population.formats.scenario import WHAT as SCENARIO
from harness.experiments.population.formats.scenario import ExposureRule, OutcomeSpec, ScenarioSpec
from harness.experiments.population.gates.checks.stops import contradictions
from harness.experiments.population.gates.conditions import Unevaluable, judge
from harness.experiments.population.gates.material import Blocked
from harness.experiments.population.gates.subject import GateSubject, failed, passed, warned
from harness.experiments.population.gates.table import AgentTable
from harness.experiments.population.gates.wording import listed, share, shown
from harness.model import Check


def check(subject: GateSubject) -> Iterator[Check]:
    """scenario.yaml, and agents.json where it is there."""
    scenario = subject.material.form("scenario.yaml", ScenarioSpec, SCENARIO)
    rules, outcomes = scenario.seed_exposure.rules, scenario.outcomes.suggested_outcomes
    yield passed("file", f"{len(rules)} exposure rules, {len(outcomes)} outcomes", "scenario.yaml")
    yield from _exposure(subject, scenario)
    yield from _outcomes(outcomes)
    found = list(contradictions(scenario.simulation.stop_conditions or [], scenario.simulation.max_timesteps))
    yield from (
        warned("stop conditions", one, threshold="conditions that can be met, and not at once")
        for one in found
    )
    if not found:
        count = len(scenario.simulation.stop_conditions or [])
        yield passed("stop conditions", f"{count} conditions, none against another", number=0)
    yield from _spread(scenario)


def _exposure(subject: GateSubject, scenario: ScenarioSpec) -> Iterator[Check]:
    rules = scenario.seed_exposure.rules
    if not rules:
        yield failed("exposure logic", "there are no exposure rules", number=0, threshold="at least 1 rule")
        return
    channels = {one.name for one in scenario.seed_exposure.channels}
    for name in sorted({one.channel for one in rules} - channels):
        yield failed("channels", f"a rule uses it, and it is none of {listed(sorted(channels))}", name)
    unused = sorted(channels - {one.channel for one in rules})
    if unused:
        yield warned(
            "channels", f"{len(unused)} of {len(channels)} channels are used by no rule: {listed(unused)}"
        )
    steps = scenario.simulation.max_timesteps
    late = sum(one.timestep >= steps for one in rules)
    if late:
        said = f"{share(late, len(rules), 'rules')} come after the last timestep"
        yield warned("exposure logic", said, number=late, threshold=f"timestep below {steps}")
    live = [one for one in rules if one.probability > 0 and one.timestep < steps]
    if not live:
        said = f"none of {len(rules)} rules can expose an agent: probability 0, or after the last timestep"
        yield failed("exposure logic", said, number=0, threshold="at least 1 rule that can")
        return
    yield from _reached(subject, live)


def _reached(subject: GateSubject, rules: list[ExposureRule]) -> Iterator[Check]:
    """How many agents the rules can be expected to expose. Rules count as independent of each other."""
    agents = _agents(subject)
    missed = np.ones(len(agents) if agents else 0)
    broken = False
    for rule in rules:
        try:
            if agents is None:
                parse(rule.when)
                continue
            columns = {name: agents.column(name) for name in agents.names}
            missed *= 1 - rule.probability * judge(rule.when, columns, len(agents)).holds
        except (Unevaluable, ExpressionError) as error:
            broken = True
            yield failed("exposure logic", f"{shown(rule.when)} cannot be worked out: {error}", rule.channel)
    if agents is None:
        yield warned("exposure logic", "without agents.json it cannot be said whom the rules reach")
        return
    expected, whole = float((1 - missed).sum()), len(agents)
    said = f"{share(expected, whole, 'agents')} can be expected to be exposed by rules"
    if expected <= 0 and not broken:
        yield failed("exposure logic", f"{said}: no rule applies to an agent", number=0, threshold="above 0")
    elif not broken:
        yield (warned if expected < 1 else passed)(
            "exposure logic", said, number=expected, threshold="at least 1 agent"
        )


def _agents(subject: GateSubject) -> AgentTable | None:
    if not subject.material.has("agents.json"):
        return None
    try:
        return subject.material.agents()
    except Blocked:  # G3A says what is wrong with it
        return None


def _outcomes(outcomes: list[OutcomeSpec]) -> Iterator[Check]:
    names = [one.name for one in outcomes]
    faults = [(one.name, fault) for one in outcomes for fault in _unmeasurable(one)]
    faults += [
        (name, f"occurs {names.count(name)} times") for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    for name, fault in faults:
        yield failed("outcomes", fault, name, threshold="an outcome that can be measured")
    if not any(one.type != "open_ended" for one in outcomes):
        said = (
            f"none of {len(outcomes)} outcomes can be counted: expected a categorical, boolean or float one"
        )
        yield failed("outcomes", said, number=0, threshold="at least 1 that can be counted")
    elif not any(one.required for one in outcomes):
        yield warned(
            "outcomes", f"none of {len(outcomes)} outcomes is required: silence would look like an answer"
        )
    elif not faults:
        yield passed(
            "outcomes", f"{len(outcomes)} outcomes can be measured: {listed(names)}", number=len(outcomes)
        )
    for one in outcomes:
        if one.type == "float" and one.range is None:
            said = "a number without a range: an extreme value cannot be distinguished from a wrong one"
            yield warned("outcomes", said, one.name, threshold="a range")


def _unmeasurable(one: OutcomeSpec) -> Iterator[str]:
    if one.type == "categorical":
        options = one.options or []
        if len({option.strip().casefold() for option in options}) < 2:
            yield f"categorical with {len(options)} options; expected at least 2 that differ"
        elif len({option.strip().casefold() for option in options}) < len(options):
            yield "has an option twice"
    if one.type == "float" and one.range is not None and not one.range[0] < one.range[1]:
        yield f"range {shown(one.range)}; expected [low, high]"


def _spread(scenario: ScenarioSpec) -> Iterator[Check]:
    for one in scenario.spread.share_modifiers:
        try:
            parse(one.when)
        except ExpressionError as error:
            yield failed("spread", f"{shown(one.when)} cannot be worked out: {error}")
    if scenario.spread.share_probability == 0:
        yield warned(
            "spread", "share_probability is 0: no agent tells another", number=0, threshold="above 0"
        )
