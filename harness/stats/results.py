"""Results of an analysis. Every number names its unit, degrees of freedom and estimand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.contrast import pair_name

ALPHA = 0.05
"""The significance level of every claim and of every check that tests something."""
MARGIN = 0.5
"""Points within which two effects count as the same."""
NO_METRIC = "The experiment has no metric, so there is nothing to compare."
FIXED_SET = "these personas and proposals, over repeated sampling of the model"
GENERALISING = "other personas and proposals like these"
THESE_PERSONAS = "these personas, over repeated sampling of the model"
THESE_PERSONAS_AND_ITEMS = "these personas and items, over repeated sampling of the model"
ASSIGNED_PERSONAS = "these personas, over their assignment to arms and sampling of the model"
OTHER_ITEMS = "other personas and items like these"
AS_IF_SCORES = "a hypothetical design with one trial per score"
AS_IF_PERSONS = "other personas, if no two shared a trial"
"""Estimands, printed next to p-values. The last two are those of tests that serve as comparison or warning."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval at ``level`` (0.95, say)."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, or ``None`` with the reason why it is undefined."""

    value: float | None
    interval: Interval | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much a group differs from another (treatment − control), or a contrast from 0, by one method.

    ``method`` names the computation, ``estimand`` what the difference is claimed for, ``unit`` what counts as one
    independent observation, and ``n`` is their number. Undefined numbers are ``None``, with a ``reason``; ``note`` is a
    caution, such as that the method treats scores as independent.
    """

    method: str
    estimand: str
    unit: str
    n: int
    difference: float | None = None
    se: float | None = None
    df: float | None = None
    p: float | None = None
    interval: Interval | None = None
    reason: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one group against another: primary and secondary analyses, effect size and correlations.

    The other group is the experiment's first, unless it declares contrasts. ``p_adjusted`` is the primary p after
    ``adjustment`` for multiplicity. ``weighted_means`` are the arms' means, control first, where personas have weights.
    """

    metric: str
    control: str
    treatment: str
    primary: Estimate
    secondary: tuple[Estimate, ...]
    generalising: Estimate
    hedges_g: Quantity
    icc_trial: Quantity
    icc_person: Quantity
    design_effect: Quantity
    p_adjusted: float | None
    adjustment: str
    weighted_means: tuple[float | None, float | None] | None = None

    @property
    def contrast(self) -> str:
        """``Treatment − Control``."""
        return pair_name((self.treatment, self.control))


@dataclass(frozen=True, slots=True)
class ContrastEstimate:
    """A weighted sum of the groups' means on one metric: a declared contrast, or an effect of factors.

    ``name`` says it in words: ``tone: cold − warm``, or ``tone × length: cold, short``. ``weights`` has the weight of
    each group, none where the design does not allow an estimate. ``p_adjusted`` is the estimate's p after
    ``adjustment`` for multiplicity.
    """

    metric: str
    name: str
    weights: Mapping[str, float]
    estimate: Estimate
    p_adjusted: float | None
    adjustment: str


@dataclass(frozen=True, slots=True)
class AcrossItems:
    """All ``items`` on one scale (its ``ends``) together: personas as units, and personas and items both random."""

    control: str
    treatment: str
    ends: tuple[float, float]
    items: tuple[str, ...]
    estimate: Estimate
    both_random: Estimate

    @property
    def contrast(self) -> str:
        return pair_name((self.treatment, self.control))


@dataclass(frozen=True, slots=True)
class PointShare:
    """The share of answers at ``point`` or above in each arm, and the difference treatment − control."""

    point: float
    control: float | None
    treatment: float | None
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class CumulativeShares:
    """One ordinal metric of two arms: the share at or above each point but the lowest, and a test by ranks."""

    metric: str
    control: str
    treatment: str
    points: tuple[PointShare, ...]
    ranks: Estimate

    @property
    def contrast(self) -> str:
        return pair_name((self.treatment, self.control))


@dataclass(frozen=True, slots=True)
class Subgroup:
    """The personas with one ``level`` of an attribute: their number, the arms' means, and the difference."""

    level: str
    n: int
    control: float | None
    treatment: float | None
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Moderation:
    """Whether a difference depends on an attribute of the personas (treatment × attribute), with its subgroups.

    ``f`` has ``df`` and ``df_error`` degrees of freedom; ``p_adjusted`` is its p after ``adjustment``.
    """

    metric: str
    control: str
    treatment: str
    attribute: str
    subgroups: tuple[Subgroup, ...]
    f: float | None
    df: float | None
    df_error: float | None
    p: float | None
    reason: str | None = None
    p_adjusted: float | None = None
    adjustment: str = ""

    @property
    def contrast(self) -> str:
        return pair_name((self.treatment, self.control))


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis of one run. ``notes`` are sentences that belong above its tables.

    ``comparisons`` are the pairs of groups that are compared, ``contrasts`` those declared by weights, which share one
    correction with them; ``effects`` are those of factors, corrected separately. Where each trial has one persona,
    ``across_items`` are the items on one scale together, ``shares`` ordinal answers by cumulative shares and ranks,
    and ``moderation`` the personas' attributes, corrected separately too.
    """

    experiment: str
    source: str
    coordinates: str
    rehearsal: bool
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()
    effects: tuple[ContrastEstimate, ...] = ()
    contrasts: tuple[ContrastEstimate, ...] = ()
    across_items: tuple[AcrossItems, ...] = ()
    shares: tuple[CumulativeShares, ...] = ()
    moderation: tuple[Moderation, ...] = ()
