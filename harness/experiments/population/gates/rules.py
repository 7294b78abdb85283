"""Rules about agents, as a profile or a schema map declares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field

from harness.experiments.population.formats.expressions import ExpressionError, parse
from harness.experiments.population.formats.files import FileModel
from harness.experiments.population.gates.wording import shown

Name = Annotated[str, Field(min_length=1, max_length=100)]
Share = Annotated[float, Field(ge=0, le=1)]
SLACK = 0.005
"""By which shares may miss a sum of 1: published ones are rounded."""


class Bounds(FileModel):
    """From ``min`` to ``max``, both included."""

    min: float | None = None
    max: float | None = None


class Exclusive(FileModel):
    """Attributes, true or false, of which at most one is true; with ``one`` exactly one."""

    name: Name
    fields: list[Name] = Field(min_length=2)
    one: bool = False


class Hard(FileModel):
    """Where ``when`` holds, ``then`` holds."""

    name: Name
    when: str = "true"
    then: str


class Soft(Hard):
    """Among those for whom ``when`` holds, the share for whom ``then`` holds is ``rate`` ± ``tolerance`` (0 to 1)."""

    rate: Share
    tolerance: float = Field(gt=0, le=1)


class Bin(FileModel):
    """The share of values from ``low`` (included) to ``high`` (not); left out, the bin is open on that side."""

    low: float | None = None
    high: float | None = None
    share: Share

    @property
    def label(self) -> str:
        low = "" if self.low is None else f"{self.low:g}"
        return f"{low}–{'' if self.high is None else f'{self.high:g}'}"


class Prior(FileModel):
    """Shares that are known from elsewhere: of texts in ``shares``, of numbers in ``bins``; sum 1.

    With ``given``, of those alone for whom it holds.
    """

    field: Name
    given: str | None = None
    shares: dict[str, Share] = Field(default_factory=dict)
    bins: list[Bin] = Field(default_factory=list)
    source: str = ""

    @property
    def expected(self) -> dict[str, float]:
        """Share by label."""
        return self.shares or {one.label: one.share for one in self.bins}


class AgentRules(FileModel):
    """What a profile (over roles) and a schema map (over attributes) can both declare."""

    docs: ClassVar[str] = "docs/gates.md"

    bounds: dict[Name, Bounds] = Field(default_factory=dict)
    exclusive: list[Exclusive] = Field(default_factory=list)
    hard: list[Hard] = Field(default_factory=list)
    soft: list[Soft] = Field(default_factory=list)
    priors: list[Prior] = Field(default_factory=list)


def rule_problems(rules: AgentRules) -> Iterator[str]:
    """What the form alone does not show, one sentence each."""
    for field, bounds in rules.bounds.items():
        if bounds.min is not None and bounds.max is not None and bounds.min > bounds.max:
            yield f"bounds.{shown(field)}: min={bounds.min:g} is above max={bounds.max:g}."
    named = [one.name for one in rules.exclusive] + [one.name for one in (*rules.hard, *rules.soft)]
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"rule {shown(name)}: occurs {named.count(name)} times; expected each name once."
    for text in conditions(rules):
        try:
            parse(text)
        except ExpressionError as error:
            yield f"condition {shown(text)}: {error}."
    for prior in rules.priors:
        yield from _prior_problems(prior)


def conditions(rules: AgentRules) -> list[str]:
    """Every condition that ``rules`` state."""
    found = [text for rule in (*rules.hard, *rules.soft) for text in (rule.when, rule.then)]
    return found + [prior.given for prior in rules.priors if prior.given is not None]


def names_read(rules: AgentRules) -> set[str]:
    """Every role or attribute that ``rules`` are about. Conditions that do not parse name none."""
    found = {*rules.bounds, *(prior.field for prior in rules.priors)}
    found.update(name for one in rules.exclusive for name in one.fields)
    for text in conditions(rules):
        try:
            found |= parse(text).names
        except ExpressionError:
            continue
    return found


def _prior_problems(prior: Prior) -> Iterator[str]:
    mine = f"prior of {shown(prior.field)}"
    if bool(prior.shares) == bool(prior.bins):
        yield f"{mine}: expected either shares or bins."
        return
    total = sum(one.share for one in prior.bins) + sum(prior.shares.values())
    if abs(total - 1) > SLACK:
        yield f"{mine}: shares add up to {total:.4g}; expected 1."
    if not _rising(prior.bins):
        yield f"{mine}: bins overlap or are empty; expected rising ones, each ending where, or before, the next begins."


def _rising(bins: Iterable[Bin]) -> bool:
    edges = list(bins)
    inf = float("inf")
    spans = [(-inf if one.low is None else one.low, inf if one.high is None else one.high) for one in edges]
    return all(low < high for low, high in spans) and all(one[1] <= two[0] for one, two in pairwise(spans))
