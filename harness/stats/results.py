"""What an analysis answers with. Every number names its unit, its degrees of freedom and its estimand."""

from __future__ import annotations

from dataclasses import dataclass


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
    """One method's answer to how much a later group differs from the first, treatment − control.

    ``method`` names the computation, ``estimand`` says in words what the difference is claimed for, ``unit`` what
    counts as one independent observation, ``n`` how many there are. What is undefined is ``None``, and ``reason`` says
    why; ``note`` is what a reader must know beside the number (that the method treats scores as independent, say).
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
    """One metric, one group against the first: the primary analysis, what stands beside it, and what it rests on.

    ``p_adjusted`` is the primary p after ``adjustment`` (Holm over the metrics, Dunnett over the groups), as it says.
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


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis of one run. ``notes`` are sentences that belong above its tables."""

    experiment: str
    source: str
    coordinates: str
    rehearsal: bool
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()
