"""G3A: are the agents what the spec says they are? Any violation fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from harness.experiments.population.formats.spec import Attribute, Categorical, PopulationSpec
from harness.experiments.population.gates.conditions import Columns, Unevaluable, rule_compliance
from harness.experiments.population.gates.material import Blocked
from harness.experiments.population.gates.rules import AgentRules, Bounds, Exclusive, Hard, names_read
from harness.experiments.population.gates.subject import GateSubject, failed, none_of, passed, warned
from harness.experiments.population.gates.table import (
    LONGEST,
    AgentColumn,
    AgentTable,
    Array,
    labels,
    option_label,
)
from harness.experiments.population.gates.wording import listed, share, shown
from harness.model import Check

_KINDS = {"int": "number", "float": "number", "categorical": "text", "boolean": "truth"}


def check(subject: GateSubject) -> Iterator[Check]:
    """agents.json against population.yaml, the profile and the schema map."""
    agents = subject.material.agents()
    if subject.lacks:
        yield warned("calibration", f"uncalibrated: {'; '.join(subject.lacks)}; structural checks only")
    spec = _spec(subject)
    if isinstance(spec, Blocked):
        yield failed("spec", f"ranges cannot be checked: {spec.problems[0]}", spec.about)
    yield from _rows(agents)
    yield from _count(agents, None if isinstance(spec, Blocked) else spec)
    yield from _nulls(subject, agents, None if isinstance(spec, Blocked) else spec)
    if isinstance(spec, PopulationSpec):
        for attribute in spec.attributes:
            yield from _as_specified(attribute, agents)
    for rules, columns in subject.rule_sets(agents):
        for name, bounds in rules.bounds.items():
            if name in columns:
                yield _in_bounds(name, columns[name], bounds)
        yield from (
            _exclusive(one, columns, len(agents))
            for one in rules.exclusive
            if {*one.fields} <= columns.keys()
        )
        for hard in rules.hard:
            if names_read(AgentRules(hard=[hard])) <= columns.keys():
                yield _hard(hard, columns, len(agents))


def _spec(subject: GateSubject) -> PopulationSpec | Blocked:
    try:
        return subject.material.population()
    except Blocked as error:
        return error


def _rows(agents: AgentTable) -> Iterator[Check]:
    whole = len(agents) + agents.faults
    yield none_of("rows", agents.faults, whole, f"{share(agents.faults, whole, 'agents')} are not objects")
    sound = [one for one in agents.ids if isinstance(one, str) and one]
    missing, several = len(agents) - len(sound), [one for one, times in Counter(sound).items() if times > 1]
    yield none_of(
        "ids", missing, len(agents), f"{share(missing, len(agents), 'agents')} have no _id that is text"
    )
    said = f"{len(several):,} ids are those of several agents" + (f": {listed(several)}" if several else "")
    yield none_of("ids", len(several), len(agents), said)


def _count(agents: AgentTable, spec: PopulationSpec | None) -> Iterator[Check]:
    found, said = len(agents) + agents.faults, agents.meta.get("count")
    if isinstance(said, int) and said != found:
        message = f"{found:,} agents where the file's own meta says {said:,}: part of it is lost"
        yield failed("count", message, number=found, threshold=f"{said:,}")
    elif spec is not None and spec.meta.size != found:
        told = isinstance(said, int)
        message = f"{found:,} agents, the spec says {spec.meta.size:,}"
        make = warned if told else failed
        yield make("count", message + ("; drawn with another count" if told else ""), number=found)
    else:
        yield passed("count", f"{found:,} agents", number=found)


def _nulls(subject: GateSubject, agents: AgentTable, spec: PopulationSpec | None) -> Iterator[Check]:
    schema = subject.schema
    names = {one.name for one in spec.attributes} if spec else set()
    if schema is not None:
        names = (names | {*schema.required} | {*schema.fields.values()}) - {*schema.optional}
    whole, clean = len(agents), 0
    for name in sorted(names):
        empty = int((~agents.column(name).known).sum())
        if empty:
            yield failed("nulls", f"empty for {share(empty, whole, 'agents')}", name, empty, "none")
        clean += not empty
    if clean == len(names):
        yield passed(
            "nulls", f"{clean} required attributes, none empty for any of {whole:,} agents", number=0
        )


def _as_specified(one: Attribute, agents: AgentTable) -> Iterator[Check]:
    column, whole = agents.column(one.name), len(agents)
    if column.kind == "empty":
        return
    wanted = _KINDS[one.type]
    if column.kind != wanted:
        yield failed("types", f"holds {column.kind}; the spec says {one.type}", one.name, threshold=one.type)
        return
    if one.type == "int" and not column.whole:
        yield failed("types", "holds numbers with fractions; the spec says int", one.name, threshold="int")
    if column.longest > LONGEST:
        yield failed(
            "types", f"holds a text of {column.longest:,} characters", one.name, column.longest, f"{LONGEST}"
        )
    drawn = one.sampling.distribution
    if isinstance(drawn, Categorical):
        yield _options(one.name, column, drawn.options)
    low, high = _limits(one)
    if low is not None or high is not None:
        yield _in_bounds(one.name, column, Bounds(min=low, max=high))
    for constraint in one.constraints:
        if constraint.type == "expression" and constraint.expression:
            columns: Columns = {**{name: agents.column(name) for name in agents.names}, "value": column}
            rule = Hard(name=f"constraint of {one.name}", then=constraint.expression)
            yield _hard(rule, columns, whole)


def _options(name: str, column: AgentColumn, options: list[str]) -> Check:
    values, known = labels(column), [option_label(one, column) for one in options]
    strange = column.known & ~np.isin(values, known)
    odd = [str(one) for one in np.unique(values[strange])]
    told = f": {listed(odd)}" if odd else ""
    count = int(strange.sum())
    said = f"{share(count, int(column.known.sum()), 'values')} are none of its {len(options)} options{told}"
    return none_of("options", count, len(column.known), said, name)


def _limits(one: Attribute) -> tuple[float | None, float | None]:
    def value(*kinds: str) -> list[float]:
        return [it.value for it in one.constraints if it.type in kinds and it.value is not None]

    return max(value("hard_min", "min"), default=None), min(value("hard_max", "max"), default=None)


def _in_bounds(name: str, column: AgentColumn, bounds: Bounds) -> Check:
    low, high = -np.inf if bounds.min is None else bounds.min, np.inf if bounds.max is None else bounds.max
    expected = f"{low:g} to {high:g}"
    if column.kind != "number":
        return failed("ranges", f"holds {column.kind}, not numbers", name, threshold=expected)
    known: Array = column.values[column.known]
    outside = known[(known < low) | (known > high)]
    told = f", from {outside.min():g} to {outside.max():g}" if len(outside) else ""
    said = f"{share(len(outside), len(known), 'values')} lie outside{told}"
    level = failed if len(outside) else passed
    return level("ranges", said, name, len(outside), expected)


def _exclusive(rule: Exclusive, columns: Mapping[str, AgentColumn], size: int) -> Check:
    odd = [name for name in rule.fields if columns[name].kind not in ("truth", "empty")]
    if odd:
        return failed("exclusivity", f"{listed(odd)} hold no true or false", rule.name)
    times = np.sum([columns[name].values & columns[name].known for name in rule.fields], axis=0)
    wrong = int((times > 1).sum() + ((times < 1).sum() if rule.one else 0))
    expected = "exactly one" if rule.one else "at most one"
    said = f"{share(wrong, size, 'agents')} have not {expected} of {listed(rule.fields)}"
    return none_of("exclusivity", wrong, size, said, rule.name)


def _hard(rule: Hard, columns: Columns, size: int) -> Check:
    try:
        found = rule_compliance(rule.when, rule.then, columns, size)
    except Unevaluable as error:
        return failed(
            "hard conditional", f"cannot be worked out: {error}", rule.name, threshold="no violation"
        )
    broken, given = (
        found.applicable - found.held,
        "" if rule.when == "true" else f" for whom {shown(rule.when)}",
    )
    told = f"; of {found.unknown:,} more it cannot be said, a value is empty" if found.unknown else ""
    said = f"{share(broken, found.applicable, f'agents{given}')} break {shown(rule.then)}{told}"
    level = failed if broken else passed
    return level("hard conditional", said, rule.name, broken, "no violation")
