"""What counts as one independent observation in a design, how units are weighted, and what is claimed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from harness.model import Dataset
from harness.stats.results import (
    ASSIGNED_PERSONAS,
    FIXED_SET,
    THESE_PERSONAS,
    THESE_PERSONAS_AND_ITEMS,
    Estimate,
)
from harness.stats.student import one_sample, variance, with_t_interval

BLOCKS, PERSONAS, PANELS = "blocks (panel × proposal)", "personas", "panels"


@dataclass(frozen=True, slots=True)
class Units:
    """The units of a design. ``weights`` and ``strata`` are by panel; empty: units count alike, or are not stratified.

    ``by_persona``: each panel is one person, who is the unit, whatever the number of proposals.
    """

    by_persona: bool = False
    between: bool = False
    weights: Mapping[int, float] = field(default_factory=dict)
    strata: Mapping[int, str] = field(default_factory=dict)
    claim: str = FIXED_SET

    @classmethod
    def of(cls, dataset: Dataset) -> Units:
        """The units of ``dataset``: personas where each panel is one person, else blocks, or panels between arms."""
        if not dataset.individual:
            return cls(between=dataset.between)
        return cls(True, dataset.between, _weights(dataset), _strata(dataset), _claim(dataset))

    @property
    def is_weighted(self) -> bool:
        """Whether weights or strata enter the estimate."""
        return bool(self.weights or self.strata)

    @property
    def own_claim(self) -> str:
        """The estimand of a method that ignores weights and strata: the personas themselves."""
        if not self.is_weighted:
            return self.claim
        return ASSIGNED_PERSONAS if self.between else THESE_PERSONAS

    @property
    def noun(self) -> str:
        return PERSONAS if self.by_persona else PANELS if self.between else BLOCKS

    @property
    def one(self) -> str:
        """The unit as an adjective: ``paired t on persona differences``."""
        return self.noun.split(" ")[0].removesuffix("s")

    def method(self, what: str) -> str:
        """The method's name, such as ``paired t on block differences``."""
        weighted = ", weighted" if self.weights else ""
        return f"{'Welch t' if self.between else 'paired t'} on {self.one} {what}{weighted}"


@dataclass(frozen=True, slots=True)
class MeanOfUnits:
    """A weighted mean, the variance of that mean, its degrees of freedom, and Kish's effective number of units."""

    mean: float
    variance: float
    df: float
    effective: float


def weighted_mean(
    values: Sequence[float], weights: Sequence[float], strata: Sequence[str] = ()
) -> MeanOfUnits:
    """Σwx / Σw with its linearised variance, units drawn with replacement; within ``strata`` where there are some.

    Degrees of freedom are units − 1; over strata Satterthwaite's (1946), since one stratum may carry most of the
    variance. A stratum with one unit is centred on the whole. The finite population is not corrected for, since the
    model, too, is sampled. Needs two values.
    Sources: Binder, International Statistical Review 51 (1983); Lumley, Complex Surveys (2010), ch. 2; Kish (1965).
    """
    total = math.fsum(weights)
    mean = math.fsum(w * x for w, x in zip(weights, values, strict=True)) / total
    parts: dict[str, list[float]] = defaultdict(list)
    for place, (w, x) in enumerate(zip(weights, values, strict=True)):
        parts[strata[place] if strata else ""].append(w * (x - mean) / total)
    found: list[tuple[float, int]] = []
    for scores in parts.values():
        n = len(scores)
        centre = fmean(scores) if n > 1 and strata else 0.0
        factor = n / (n - 1) if n > 1 else 1.0
        found.append((factor * math.fsum((score - centre) ** 2 for score in scores), max(1, n - 1)))
    squares, spread = (math.fsum(one) for one in zip(*((v, v * v / df) for v, df in found), strict=True))
    df = squares**2 / spread if spread else max(1, len(values) - len(parts))
    effective = total**2 / math.fsum(w * w for w in weights)
    return MeanOfUnits(mean, squares, df, effective)


def mean_of_units(asked: Estimate, values: Mapping[int, float], units: Units, confidence: float) -> Estimate:
    """The (weighted) mean of one value per panel against 0; Student's paired t where units count alike."""
    if not units.is_weighted:
        return one_sample(asked, list(values.values()), confidence)
    known = [panel for panel in values if not units.weights or panel in units.weights]
    if len(known) < 2:
        return replace(asked, n=len(known), reason=f"needs 2 or more {asked.unit}; there are {len(known)}")
    kept = [values[panel] for panel in known]
    found = weighted_mean(kept, _of(units.weights, known), [units.strata.get(one, "") for one in known])
    spread = variance(kept)
    note = "; ".join(filter(None, (asked.note, *_weighting(units, found, known, len(values)))))
    asked = replace(asked, n=len(known), note=note or None)
    return with_t_interval(
        asked, found.mean, math.sqrt(found.variance) if spread else 0.0, found.df, confidence
    )


def _of(weights: Mapping[int, float], panels: Sequence[int]) -> list[float]:
    return [weights.get(panel, 1.0) for panel in panels]


def arm_mean(values: Mapping[int, float], units: Units) -> MeanOfUnits:
    """The (weighted) mean of the units of one arm. Needs two of them."""
    known = [panel for panel in values if not units.weights or panel in units.weights]
    strata = [units.strata.get(panel, "") for panel in known] if units.strata else ()
    return weighted_mean([values[panel] for panel in known], _of(units.weights, known), strata)


def _weighting(units: Units, found: MeanOfUnits, known: Sequence[int], of: int) -> list[str]:
    notes = []
    if units.weights:
        notes.append(f"effective n {found.effective:.0f} (Kish)")
    if (strata := len({units.strata.get(panel, "") for panel in known})) > 1:
        notes.append(f"{strata} strata")
    if of > len(known):
        notes.append(f"{of - len(known)} personas without a weight are left out")
    return notes


def _weights(dataset: Dataset) -> Mapping[int, float]:
    """Panel → weight; empty where all are equal."""
    known = dataset.respondents.weights
    found = {panel: known[person] for panel, (person,) in enumerate(dataset.panels) if person in known}
    return found if len(set(found.values())) > 1 else {}


def _strata(dataset: Dataset) -> Mapping[int, str]:
    sampling = dataset.respondents.sampling
    if sampling is None or sampling.strata is None:
        return {}
    levels = dataset.respondents.attributes.get(sampling.strata) or {}
    found = {panel: str(levels.get(person, "")) for panel, (person,) in enumerate(dataset.panels)}
    return found if len(set(found.values())) > 1 else {}


def _claim(dataset: Dataset) -> str:
    """The estimand: these personas, unless they were sampled from a population."""
    several = len({one.proposal for one in dataset.observations}) > 1
    sampling = dataset.respondents.sampling
    if sampling is None:
        return THESE_PERSONAS_AND_ITEMS if several else THESE_PERSONAS
    how = "; ".join(filter(None, (sampling.method, sampling.source)))
    items = " on these items" if several else ""
    return f"the population that the personas were sampled from ({how}){items}, as this model plays it"
