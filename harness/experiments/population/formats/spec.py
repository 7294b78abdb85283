"""population.yaml: the attributes of a population, and how each is drawn. Field names are extropy-run 0.2.3's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from graphlib import CycleError, TopologicalSorter
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from harness.errors import raise_if_any
from harness.experiments.population.formats.expressions import Expression, ExpressionError, parse
from harness.experiments.population.formats.files import FileModel, checked, read_yaml

WHAT = "Population"
MAX_SIZE = 1_000_000
NAME = r"^[a-z][a-z0-9_]{0,59}$"
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no")
"""Texts that are the values of a boolean, in any case."""
HARD: Mapping[str, int] = {"hard_min": 0, "min": 0, "hard_max": 1, "max": 1}
"""Constraints that move values: 0 up, 1 down."""
Level = Literal["strong", "medium", "low"]


class Grounding(FileModel):
    """How well an attribute is grounded in data; kept, but not read here."""

    level: Level = "low"
    method: Literal["researched", "extrapolated", "estimated", "computed"] = "estimated"
    source: str | None = None
    note: str | None = None


class Bounded(FileModel):
    """Bounds of a number; a formula counts before a fixed bound."""

    min: float | None = None
    max: float | None = None
    min_formula: str | None = None
    max_formula: str | None = None


class Normal(Bounded):
    """Normal, truncated to its bounds."""

    type: Literal["normal"] = "normal"
    mean: float | None = None
    std: Annotated[float, Field(ge=0)] | None = None
    mean_formula: str | None = None
    std_formula: str | None = None


class Lognormal(Bounded):
    """Lognormal, truncated to its bounds; ``mean`` and ``std`` are those of the value, not of its logarithm."""

    type: Literal["lognormal"] = "lognormal"
    mean: Annotated[float, Field(gt=0)] | None = None
    std: Annotated[float, Field(ge=0)] | None = None
    mean_formula: str | None = None
    std_formula: str | None = None


class Uniform(FileModel):
    """Between ``min`` and ``max``."""

    type: Literal["uniform"] = "uniform"
    min: float
    max: float


class Beta(Bounded):
    """Beta on 0 to 1, stretched to its bounds where it has both."""

    type: Literal["beta"] = "beta"
    alpha: float = Field(gt=0)
    beta: float = Field(gt=0)


class Categorical(FileModel):
    """One of ``options``, with chances in proportion to ``weights``."""

    type: Literal["categorical"] = "categorical"
    options: list[str] = Field(min_length=1, max_length=500)
    weights: list[Annotated[float, Field(ge=0)]]


class Boolean(FileModel):
    """True with this probability."""

    type: Literal["boolean"] = "boolean"
    probability_true: float = Field(ge=0, le=1)


Distribution = Annotated[
    Normal | Lognormal | Uniform | Beta | Categorical | Boolean, Field(discriminator="type")
]


class Modifier(FileModel):
    """What changes for whom ``when`` holds. Numbers: every match; options and chances: the last match."""

    when: str
    multiply: float | None = None
    add: float | None = None
    weight_overrides: dict[str, Annotated[float, Field(ge=0)]] | None = None
    probability_override: Annotated[float, Field(ge=0, le=1)] | None = None


class Sampling(FileModel):
    """``independent``: drawn; ``conditional``: drawn with modifiers; ``derived``: computed by ``formula``."""

    strategy: Literal["independent", "derived", "conditional"]
    distribution: Distribution | None = None
    formula: str | None = None
    depends_on: list[str] = Field(default_factory=list)
    modifiers: list[Modifier] = Field(default_factory=list)


class Constraint(FileModel):
    """A bound that values are moved to, or an expression whose violations are counted (``value``: the attribute)."""

    type: Literal["hard_min", "hard_max", "expression", "spec_expression", "min", "max"]
    value: float | None = None
    expression: str | None = None
    reason: str | None = None


class Attribute(FileModel):
    """One attribute."""

    name: str = Field(pattern=NAME)
    type: Literal["int", "float", "categorical", "boolean"]
    category: Literal["universal", "population_specific", "context_specific", "personality"] = "universal"
    description: str = ""
    sampling: Sampling
    grounding: Grounding = Grounding()
    constraints: list[Constraint] = Field(default_factory=list)


class SpecMeta(FileModel):
    """What the population is. ``persona_template`` and ``scenario_description`` are carried through."""

    description: str
    size: int = Field(ge=1, le=MAX_SIZE)
    geography: str | None = None
    created_at: str | datetime | date | None = None
    version: str = "1.0"
    persona_template: str | None = None
    scenario_description: str | None = None


class GroundingSummary(FileModel):
    """Over all attributes; carried through."""

    overall: Level = "low"
    sources_count: int = 0
    strong_count: int = 0
    medium_count: int = 0
    low_count: int = 0
    sources: list[str] = Field(default_factory=list)


class PopulationSpec(FileModel):
    """The whole file. ``sampling_order`` may be left out: it follows from what formulas read."""

    meta: SpecMeta
    grounding: GroundingSummary = GroundingSummary()
    attributes: list[Attribute] = Field(min_length=1, max_length=500)
    sampling_order: list[str] = Field(default_factory=list)


def read_spec(path: Path) -> PopulationSpec:
    """The population in ``path``, with its order worked out. Raises `ConfigurationError` with every fault."""
    spec = read_yaml(path, PopulationSpec, WHAT)
    raise_if_any(f"{WHAT} {path}: {fault}" for fault in problems(spec))
    return spec.model_copy(update={"sampling_order": order(spec)})


def spec_of(data: Any, owner: str = WHAT) -> PopulationSpec:
    """A population from plain data, with its order worked out. Raises `ConfigurationError` with every fault."""
    spec = checked(PopulationSpec, data, owner)
    raise_if_any(f"{owner}: {fault}" for fault in problems(spec))
    return spec.model_copy(update={"sampling_order": order(spec)})


def order(spec: PopulationSpec) -> list[str]:
    """Names so that each comes after what it reads; of those that could come next, the first by name.

    Raises `graphlib.CycleError`.
    """
    sorter = TopologicalSorter({one.name: sorted(reads(one)) for one in spec.attributes})
    sorter.prepare()
    found: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found += ready
        sorter.done(*ready)
    return found


def reads(attribute: Attribute) -> set[str]:
    """The attributes that must be known before this one is drawn."""
    named = {name for text in _formulas(attribute.sampling).values() for name in parse(text).names}
    return (named | set(attribute.sampling.depends_on)) - {attribute.name}


def _formulas(sampling: Sampling) -> dict[str, str]:
    """Every expression that drawing works out, by where it stands."""
    found = {"formula": sampling.formula}
    if isinstance(sampling.distribution, Bounded):
        found |= {
            f"distribution.{name}": getattr(sampling.distribution, name)
            for name in type(sampling.distribution).model_fields
            if name.endswith("_formula")
        }
    found |= {f"modifiers.{number}.when": one.when for number, one in enumerate(sampling.modifiers)}
    return {place: text for place, text in found.items() if text is not None}


def problems(spec: PopulationSpec) -> Iterator[str]:
    """What the file's form alone does not show, one sentence each."""
    names = [one.name for one in spec.attributes]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"attribute {name!r}: occurs {names.count(name)} times; expected once."
    found = [fault for one in spec.attributes for fault in _attribute_problems(one, set(names))]
    yield from found
    if not found:
        try:
            order(spec)
        except CycleError as error:
            yield f"attributes read each other in a circle: {' ← '.join(error.args[1])}. Break it."
    if spec.sampling_order and sorted(spec.sampling_order) != sorted(names):
        odd = sorted(set(spec.sampling_order) ^ set(names)) or ["a name twice"]
        yield f"sampling_order: differs from the attributes in {', '.join(odd)}. Correct it, or leave it out."


def _attribute_problems(one: Attribute, known: set[str]) -> Iterator[str]:
    mine, sampling = f"attribute {one.name!r}", one.sampling
    if sampling.strategy == "derived" and sampling.formula is None:
        yield f"{mine}: derived without a formula; expected one."
    if sampling.strategy != "derived" and sampling.distribution is None:
        yield f"{mine}: {sampling.strategy} without a distribution; expected one."
    for name in sorted(set(sampling.depends_on) - known):
        yield f"{mine}: depends_on names {name!r}, which is not an attribute."
    for place, text in _formulas(sampling).items():
        yield from expression_problems(text, known - {one.name}, f"{mine}: {place}")
    yield from _distribution_problems(sampling, mine)
    yield from _kind_problems(one, mine)
    yield from _modifier_problems(sampling, mine)
    for constraint in one.constraints:
        yield from _constraint_problems(constraint, known, mine)
    yield from _hard_problems(one, mine)


def expression_problems(text: str, known: set[str], owner: str) -> Iterator[str]:
    """What is wrong with an expression that may read ``known`` names."""
    try:
        expression: Expression = parse(text)
    except ExpressionError as error:
        yield f"{owner}={text!r:.80}: {error}."
        return
    for name in sorted(expression.names - known):
        yield f"{owner}={text!r:.80}: reads {name!r}, which is not known there."


def _distribution_problems(sampling: Sampling, mine: str) -> Iterator[str]:
    drawn = sampling.distribution
    low, high = getattr(drawn, "min", None), getattr(drawn, "max", None)
    if low is not None and high is not None and low > high:
        yield f"{mine}: min={low:g} is above max={high:g}."
    if isinstance(drawn, Uniform) and not math.isfinite(drawn.max - drawn.min):
        yield f"{mine}: min={low:g} and max={high:g} are not a finite number apart."
    if isinstance(drawn, Normal | Lognormal) and drawn.mean is None and drawn.mean_formula is None:
        yield f"{mine}: no mean; expected mean or mean_formula."
    if isinstance(drawn, Categorical):
        yield from _option_problems(drawn, sampling.modifiers, mine)


def _option_problems(drawn: Categorical, modifiers: list[Modifier], mine: str) -> Iterator[str]:
    if len(drawn.options) != len(drawn.weights):
        yield f"{mine}: {len(drawn.options)} options and {len(drawn.weights)} weights; expected as many."
    if len(set(drawn.options)) < len(drawn.options):
        yield f"{mine}: an option occurs twice."
    if not 0 < sum(drawn.weights) < math.inf:
        yield f"{mine}: the weights sum to {sum(drawn.weights):g}; expected above 0, and finite."
    for number, one in enumerate(modifiers):
        overrides = one.weight_overrides or {}
        for name in sorted(overrides.keys() - set(drawn.options)):
            yield f"{mine}: modifiers.{number} weighs {name!r:.60}, which is not one of its options."
        weights = {**dict(zip(drawn.options, drawn.weights, strict=False)), **overrides}
        if overrides and not 0 < sum(weights.values()) < math.inf:
            yield f"{mine}: with modifiers.{number} the weights sum to {sum(weights.values()):g}; expected above 0."


def _kind_problems(one: Attribute, mine: str) -> Iterator[str]:
    """Values that are drawn and cannot be of the declared type."""
    drawn = one.sampling.distribution
    if isinstance(drawn, Normal | Lognormal | Uniform | Beta) and one.type in ("categorical", "boolean"):
        yield f"{mine}: type {one.type} drawn from a {drawn.type} distribution; expected type int or float."
    if isinstance(drawn, Categorical) and one.type == "boolean":
        odd = sorted({name for name in drawn.options if name.lower() not in (*TRUE, *FALSE)})
        if odd:
            yield f"{mine}: type boolean with the option {odd[0]!r:.60}; expected {', '.join((*TRUE, *FALSE))}."


def _modifier_problems(sampling: Sampling, mine: str) -> Iterator[str]:
    """Modifiers that would change nothing."""
    if sampling.modifiers and sampling.strategy != "conditional":
        yield f"{mine}: {sampling.strategy} with modifiers, which count with strategy conditional only."
    drawn = sampling.distribution
    counted = {"weight_overrides"} if isinstance(drawn, Categorical) else {"add", "multiply"}
    counted |= {"probability_override"} if isinstance(drawn, Boolean) else set()
    for number, one in enumerate(sampling.modifiers):
        named = one.model_dump(exclude_none=True, exclude={"when"})
        if drawn is not None and not named.keys() & counted:
            found = ", ".join(named) or "nothing"
            yield f"{mine}: modifiers.{number} has {found}; {drawn.type} expects {' or '.join(sorted(counted))}."


def _hard_problems(one: Attribute, mine: str) -> Iterator[str]:
    """Bounds that nothing can be moved to."""
    bounds = [each for each in one.constraints if each.type in HARD and each.value is not None]
    if bounds and one.type not in ("int", "float"):
        yield f"{mine}: a constraint of type {bounds[0].type}, and it is {one.type}; expected type int or float."
    for low, high in product(bounds, bounds):
        if HARD[low.type] < HARD[high.type] and (low.value or 0) > (high.value or 0):
            yield f"{mine}: {low.type}={low.value:g} is above {high.type}={high.value:g}."


def _constraint_problems(one: Constraint, known: set[str], mine: str) -> Iterator[str]:
    if one.type in ("expression", "spec_expression"):
        if one.expression is None:
            yield f"{mine}: a constraint of type {one.type} without an expression."
        elif one.type == "expression":
            yield from expression_problems(one.expression, known | {"value"}, f"{mine}: constraint")
    elif one.value is None:
        yield f"{mine}: a constraint of type {one.type} without a value."
