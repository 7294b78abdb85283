"""G2: the population with what the scenario needs of it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.experiments.population.formats.scenario import WHAT as SCENARIO
from harness.experiments.population.formats.scenario import ScenarioSpec
from harness.experiments.population.formats.spec import Categorical, PopulationSpec
from harness.experiments.population.gates.checks.leakage import Handed, MeasuredOutcome, leaks
from harness.experiments.population.gates.checks.spec import sound
from harness.experiments.population.gates.material import Blocked
from harness.experiments.population.gates.subject import GateSubject, failed, passed, warned
from harness.experiments.population.gates.wording import listed
from harness.model import Check


def check(subject: GateSubject) -> Iterator[Check]:
    """population.yaml: valid, with all of base.yaml, and without the outcome."""
    spec = subject.material.population()
    yield passed("file", f"{len(spec.attributes)} attributes of {spec.meta.size:,} agents", "population.yaml")
    yield from sound(spec)
    if subject.material.has("base.yaml"):
        yield from _beside_base(subject.material.population("base.yaml"), spec)
    outcomes = _outcomes(subject)
    if outcomes:
        yield from leaks(outcomes, _handed(subject, spec))
    else:
        said = "no outcome is known yet: neither scenario.yaml nor the schema map's outcomes name one"
        yield warned("outcome leakage", said, threshold="no outcome among the attributes")


def _beside_base(base: PopulationSpec, spec: PopulationSpec) -> Iterator[Check]:
    now = {one.name: one for one in spec.attributes}
    lost = [one.name for one in base.attributes if one.name not in now]
    changed = [
        one.name for one in base.attributes if one.name in now and now[one.name].sampling != one.sampling
    ]
    added = len(now) - len(base.attributes) + len(lost)
    whole = f"of {len(base.attributes)} attributes of base.yaml"
    if lost:
        yield failed(
            "base", f"{len(lost)} {whole} are gone: {listed(lost)}", number=len(lost), threshold="none gone"
        )
    if changed:
        yield warned(
            "base", f"{len(changed)} {whole} are drawn otherwise: {listed(changed)}", number=len(changed)
        )
    if not added:
        yield warned(
            "extension", "nothing was added to base.yaml", number=0, threshold="at least 1 attribute"
        )
    if added and not lost and not changed:
        yield passed(
            "base", f"all {len(base.attributes)} attributes as in base.yaml, and {added} more", number=added
        )


def _outcomes(subject: GateSubject) -> list[MeasuredOutcome]:
    found = {name: MeasuredOutcome(name) for name in (subject.schema.outcomes if subject.schema else [])}
    if subject.material.has("scenario.yaml"):
        try:
            scenario = subject.material.form("scenario.yaml", ScenarioSpec, SCENARIO)
        except Blocked:  # G5 says what is wrong with it
            return list(found.values())
        for one in scenario.outcomes.suggested_outcomes:
            found[one.name] = MeasuredOutcome(one.name, tuple(one.options or ()))
    return list(found.values())


def _handed(subject: GateSubject, spec: PopulationSpec) -> Iterator[Handed]:
    for one in spec.attributes:
        drawn = one.sampling.distribution
        options = tuple(drawn.options) if isinstance(drawn, Categorical) else ()
        yield Handed(one.name, one.description, options)
    if subject.material.has("agents.json"):
        try:
            names = subject.material.agents().names
        except Blocked:  # G3A says what is wrong with it
            return
        yield from (Handed(name) for name in names if name not in {one.name for one in spec.attributes})
