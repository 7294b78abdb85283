"""G1: the specified population."""

from __future__ import annotations

from collections.abc import Iterator

from harness.experiments.population.formats.spec import Attribute, Categorical, Normal, PopulationSpec, reads
from harness.experiments.population.gates.subject import GateSubject, failed, passed, warned
from harness.experiments.population.gates.wording import listed, shown
from harness.model import Check

SLACK = 0.02
"""By which weights may miss a sum of 1."""
FEWEST = 3
"""Attributes below which agents can hardly differ."""


def check(subject: GateSubject) -> Iterator[Check]:
    """base.yaml, or population.yaml where nothing was extended."""
    name = "base.yaml" if subject.material.has("base.yaml") else "population.yaml"
    spec = subject.material.population(name)
    yield passed("file", f"{len(spec.attributes)} attributes of {spec.meta.size:,} agents", name)
    yield from sound(spec)


def sound(spec: PopulationSpec) -> Iterator[Check]:
    """What can be wrong with a spec that is valid."""
    yield from _order(spec)
    for one in spec.attributes:
        yield from _weights(one)
    constant = [one.name for one in spec.attributes if _constant(one)]
    said = f"{len(constant)} of {len(spec.attributes)} attributes are the same for all agents"
    expected = "every attribute varies"
    if constant:
        yield warned("variation", f"{said}: {listed(constant)}", number=len(constant), threshold=expected)
    else:
        yield passed("variation", said, number=0, threshold=expected)
    if len(spec.attributes) < FEWEST:
        said = f"{len(spec.attributes)} attributes: agents hardly differ"
        yield warned("breadth", said, number=len(spec.attributes), threshold=f"at least {FEWEST}")


def _order(spec: PopulationSpec) -> Iterator[Check]:
    place = {name: number for number, name in enumerate(spec.sampling_order)}
    late = [
        (one.name, other)
        for one in spec.attributes
        for other in sorted(reads(one))
        if place and place.get(other, -1) > place.get(one.name, -1)
    ]
    for name, other in late:
        yield failed("sampling order", f"is drawn before {shown(other)}, which it reads", name)
    if not late:
        yield passed(
            "sampling order", "each attribute comes after what it reads", number=0, threshold="none too early"
        )


def _weights(one: Attribute) -> Iterator[Check]:
    drawn = one.sampling.distribution
    if isinstance(drawn, Categorical) and abs(sum(drawn.weights) - 1) > SLACK:
        total = sum(drawn.weights)
        said = f"weights add up to {total:.4g}; they are taken in proportion"
        yield warned("weights", said, one.name, total, f"1 ± {SLACK:g}")


def _constant(one: Attribute) -> bool:
    drawn = one.sampling.distribution
    if isinstance(drawn, Categorical):
        return sum(weight > 0 for weight in drawn.weights) < 2 and not one.sampling.modifiers
    return isinstance(drawn, Normal) and drawn.std == 0 and drawn.mean_formula is None
