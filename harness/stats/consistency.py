"""Does a new result agree with an earlier one? One verdict per metric, by a margin δ set beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model import Dataset
from harness.stats.results import Estimate, Quantity

DELTA = 0.5
"""Points on the scale of the metric by which two effects may differ and still be called the same."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One metric's new effect beside the original's; D is new − original, both treatment − control.

    ``verdict`` is ``consistent``, ``inconsistent``, ``inconclusive``, ``computation reproduced`` (the two datasets
    hold the very same samples, so nothing was tested), or ``None``; ``reason`` says in a sentence why. It is adjusted
    for ``verdicts``, their number (Bonferroni); ``unadjusted`` is the verdict that this metric had alone.
    ``difference`` is D with its 90 % interval, ``wide`` with its 95 % interval (both unadjusted).
    ``trials_needed`` is the number of new trials per arm for a decision at the D that was seen.
    ``prediction`` is the new effect and the interval where the original leads one to expect it (95 %);
    ``d33`` is the effect in points that the original had a third of a chance to find, with the new effect's 90 %
    interval; ``too_small`` says whether the new effect is below it.
    """

    metric: str
    original_metric: str
    control: str
    treatment: str
    delta: float
    verdict: str | None
    reason: str
    new: Estimate
    original: Estimate
    difference: Quantity
    wide: Quantity
    unadjusted: str | None
    verdicts: int
    trials_needed: Quantity
    prediction: Quantity
    d33: Quantity
    too_small: bool | None
    notes: tuple[str, ...] = ()


def consistency(
    new: Dataset, original: Dataset, *, delta: float = DELTA, metrics: Mapping[str, str] | None = None
) -> list[Verdict]:
    """A verdict per metric and later group that both datasets have.

    ``metrics`` maps the new names to the original's; by default names pair that are equal but for case, spaces and
    hyphens. Groups pair by name, and two-group designs by position. Raises `ValueError` unless δ is positive.
    """
    raise NotImplementedError
