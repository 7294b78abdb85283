"""G3B: are the agents a likely population? Soft rules, drift from known shares, and what has died out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from harness.experiments.population.formats.spec import (
    Attribute,
    Boolean,
    Categorical,
    Normal,
    PopulationSpec,
    Uniform,
)
from harness.experiments.population.gates.conditions import Columns, Unevaluable, judge, rule_compliance
from harness.experiments.population.gates.material import Blocked
from harness.experiments.population.gates.rules import Prior, Soft
from harness.experiments.population.gates.subject import GateSubject, above, below, failed, passed, warned
from harness.experiments.population.gates.table import (
    LONGEST,
    AgentColumn,
    AgentTable,
    Array,
    labels,
    option_label,
)
from harness.experiments.population.gates.wording import listed, share, shown
from harness.model import Check, Level

EXPECTED = 5
"""Agents that must be expected of a value before its absence means anything."""
QUARTILES = 1.349
"""Interquartile range of a standard normal distribution."""


def check(subject: GateSubject) -> Iterator[Check]:
    """agents.json against rates, priors and the spec; nothing where the schema map is incomplete."""
    agents = subject.material.agents()
    if subject.lacks:
        yield warned("calibration", f"uncalibrated: {'; '.join(subject.lacks)}; realism is not checked")
        return
    count, covered = 0, set[str]()
    for rules, columns in subject.rule_sets(agents):
        for soft in rules.soft:
            yield _soft(subject, soft, columns, len(agents))
        for prior in rules.priors:
            yield from _prior(subject, prior, columns, len(agents))
        count += len(rules.soft) + len(rules.priors)
        covered |= {prior.field for prior in rules.priors if prior.given is None}
    if subject.schema:
        covered |= {subject.schema.fields[role] for role in covered & subject.schema.fields.keys()}
    for found in _beside_spec(subject, agents, covered):
        count += 1
        yield found
    if not count:
        yield warned(
            "coverage", "no soft rule, no prior and no independent attribute: nothing could be checked"
        )


def _soft(subject: GateSubject, rule: Soft, columns: Columns, size: int) -> Check:
    limit = rule.tolerance * subject.limits.soft_fail_factor
    expected = f"{100 * rule.rate:g} % ± {100 * rule.tolerance:g} pp; beyond ± {100 * limit:g} pp it fails"
    try:
        found = rule_compliance(rule.when, rule.then, columns, size)
    except Unevaluable as error:
        return failed("soft conditional", f"cannot be worked out: {error}", rule.name, threshold=expected)
    said = f"{shown(rule.then)} holds for {share(found.held, found.applicable, f'agents for whom {shown(rule.when)}')}"
    if found.applicable < subject.limits.fewest:
        return _too_few("soft conditional", subject, found.applicable, rule.name)
    rate = found.held / found.applicable
    off = abs(rate - rule.rate)
    level = Level.FAIL if _over(off, limit) else Level.WARN if _over(off, rule.tolerance) else Level.PASS
    return Check("soft conditional", level, said, rate, expected, rule.name)


def _over(off: float, limit: float) -> bool:
    """Above ``limit`` by more than rounding of binary fractions."""
    return off > limit + 1e-9


def _too_few(name: str, subject: GateSubject, count: int, about: str) -> Check:
    fewest = subject.limits.fewest
    return warned(
        name, f"only {count:,} agents that it is about: not judged", about, count, f"at least {fewest}"
    )


def _prior(subject: GateSubject, prior: Prior, columns: Columns, size: int) -> Iterator[Check]:
    column = columns.get(prior.field)
    name = "marginal drift" if prior.given is None else "conditional drift"
    about = prior.field if prior.given is None else f"{prior.field}, given {prior.given}"
    if column is None or column.kind in ("mixed", "empty") or (bool(prior.bins) != (column.kind == "number")):
        kind = column.kind if column else "nothing"
        yield failed(
            name, f"the prior has {'numbers' if prior.bins else 'texts'}, but the attribute {kind}", about
        )
        return
    chosen = column.known
    if prior.given is not None:
        try:
            given = judge(prior.given, columns, size)
        except Unevaluable as error:
            yield failed(name, f"cannot be worked out: {error}", about)
            return
        chosen = chosen & given.holds
    yield from _drift(subject, name, about, prior, _shares(column, chosen, prior), int(chosen.sum()))


def _shares(column: AgentColumn, chosen: Array, prior: Prior) -> dict[str, float]:
    """Count by label, values that the prior does not know included."""
    values = column.values[chosen]
    if prior.bins:
        ends = [(one.label, -np.inf if one.low is None else one.low, np.inf if one.high is None else one.high)
                for one in prior.bins]  # fmt: skip
        counts = {label: int(((values >= low) & (values < high)).sum()) for label, low, high in ends}
        return {**counts, "outside every bin": len(values) - sum(counts.values())}
    found, counted = np.unique(labels(column)[chosen], return_counts=True)
    return {str(name): int(count) for name, count in zip(found, counted, strict=True)}


def _drift(
    subject: GateSubject, name: str, about: str, prior: Prior, counts: Mapping[str, float], whole: int
) -> Iterator[Check]:
    """The largest difference of a share, in percentage points, and which expected values have died out."""
    if whole < subject.limits.fewest:
        yield _too_few(name, subject, whole, about)
        return
    expected = {label[:LONGEST]: value for label, value in prior.expected.items()}
    total = sum(expected.values())
    drifts = {
        label: 100 * (counts.get(label, 0) / whole - expected.get(label, 0) / total)
        for label in sorted({*expected, *counts})
    }
    label = max(drifts, key=lambda label: abs(drifts[label]))
    wanted = expected.get(label, 0) / total
    chance = 196 * (wanted * (1 - wanted) / whole) ** 0.5
    source = f" ({prior.source[:80]})" if prior.source else ""
    said = (
        f"{shown(label)} is {share(counts.get(label, 0), whole, 'agents')}, expected {100 * wanted:.1f} %{source}: "
        f"{drifts[label]:+.1f} pp; chance alone gives ± {chance:.1f} pp"
    )
    limits = subject.limits.marginal_drift if prior.given is None else subject.limits.conditional_drift
    yield above(name, round(abs(drifts[label]), 9), limits, said, about, " pp")
    yield from _support(subject, about, expected, counts, whole)


def _support(
    subject: GateSubject, about: str, expected: Mapping[str, float], counts: Mapping[str, float], whole: int
) -> Iterator[Check]:
    due = [label for label, part in expected.items() if part * whole >= EXPECTED]
    if len(due) < 2:
        return
    gone = [label for label in due if not counts.get(label)]
    there = sum(1 for count in counts.values() if count)
    left = len(due) - len(gone)
    said = f"{left} of {len(due)} values that at least {EXPECTED} of {whole:,} agents should have are there"
    told = f"{said}; gone: {listed(gone)}" if gone else said
    if there == 1:
        yield failed("support", f"collapsed to one value; {told}", about, 1, "more than one value")
        return
    yield below("support", (len(due) - len(gone)) / len(due), subject.limits.support, told, about)


def _beside_spec(subject: GateSubject, agents: AgentTable, covered: set[str]) -> Iterator[Check]:
    """Compare independently drawn attributes with the spec."""
    try:
        spec: PopulationSpec = subject.material.population()
    except Blocked:  # G3A says what is wrong with it
        return
    for one in spec.attributes:
        if one.sampling.strategy != "independent" or one.sampling.modifiers:
            continue
        column = agents.column(one.name)
        if (prior := _specified(one, column)) is not None and column.kind in ("text", "truth", "number"):
            if one.name not in covered:
                counts = _shares(column, column.known, prior)
                yield from _drift(subject, "marginal drift", one.name, prior, counts, int(column.known.sum()))
        elif column.kind == "number" and (width := _width(one)) is not None:
            yield from _spread(subject, one.name, column, width)


def _specified(one: Attribute, column: AgentColumn) -> Prior | None:
    drawn = one.sampling.distribution
    if isinstance(drawn, Boolean):
        true = drawn.probability_true
        return Prior(field=one.name, shares={"true": true, "false": 1 - true}, source="population.yaml")
    if isinstance(drawn, Categorical):
        total = sum(drawn.weights)
        shares: dict[str, float] = {}
        for option, weight in zip(drawn.options, drawn.weights, strict=True):
            name = option_label(option, column)
            shares[name] = shares.get(name, 0) + weight / total
        return Prior(field=one.name, shares=shares, source="population.yaml")
    return None


def _width(one: Attribute) -> float | None:
    """Interquartile range that the spec's distribution has, where nothing cuts it."""
    drawn = one.sampling.distribution
    if isinstance(drawn, Uniform):
        return (drawn.max - drawn.min) / 2
    if (
        not isinstance(drawn, Normal)
        or drawn.mean is None
        or not drawn.std
        or drawn.mean_formula
        or drawn.std_formula
    ):
        return None
    bounds = [drawn.min, drawn.max, *(it.value for it in one.constraints if it.type != "expression")]
    near = [bound for bound in bounds if bound is not None and abs(bound - drawn.mean) < drawn.std]
    return None if near or drawn.min_formula or drawn.max_formula else QUARTILES * drawn.std


def _spread(subject: GateSubject, name: str, column: AgentColumn, width: float) -> Iterator[Check]:
    known = column.values[column.known]
    if len(known) < subject.limits.fewest or width <= 0:
        return
    low, high = np.quantile(known, [0.25, 0.75])
    ratio = float((high - low) / width)
    said = f"the middle half of {len(known):,} agents spans {high - low:g}, the spec's {width:g}"
    if known.min() == known.max():
        yield failed(
            "support", f"collapsed to one value, {known[0]:g}, for all {len(known):,} agents", name, 1
        )
    elif ratio >= subject.limits.spread.warn:
        yield passed(
            "support", said, name, ratio, f"at least {subject.limits.spread.warn:g} times the spec's"
        )
    else:
        yield below("support", ratio, subject.limits.spread, said, name, " times the spec's")
