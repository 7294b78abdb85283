"""One value per persona and arm, and the difference of two arms computed from them, over all personas or some."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from harness.model import Dataset
from harness.stats.between import claim_between, contrast_of_means
from harness.stats.results import Estimate
from harness.stats.units import Units, arm_mean, mean_of_units

Transform = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class PersonaValues:
    """The values of one metric in two arms of an `individual` design, by panel, which is one person there.

    Within personas, both arms have the same answers of a persona: what one arm lacks is left out of both.
    """

    units: Units
    arms: tuple[str, str]
    control: Mapping[int, float]
    treatment: Mapping[int, float]

    @classmethod
    def of(
        cls, dataset: Dataset, metric: str, arms: tuple[str, str], transform: Transform = float
    ) -> PersonaValues:
        """``transform`` is applied to each answer, before means over a persona's proposals and reps."""
        units = Units.of(dataset)
        one, other = (_by_block(dataset, metric, arm, transform) for arm in arms)
        if not units.between:
            shared = one.keys() & other.keys()
            one, other = (
                {block: found[block] for block in found if block in shared} for found in (one, other)
            )
        return cls(units, arms, _by_panel(one), _by_panel(other))

    @property
    def differences(self) -> Mapping[int, float]:
        """Panel → treatment − control, where a persona answered in both."""
        return {panel: self.treatment[panel] - value for panel, value in self.control.items()}

    def only(self, panels: Collection[int]) -> PersonaValues:
        """The values of some panels."""
        parts = (
            {panel: value for panel, value in found.items() if panel in panels}
            for found in (self.control, self.treatment)
        )
        return PersonaValues(self.units, self.arms, *parts)

    def means(self) -> tuple[float | None, float | None]:
        """The (weighted) mean of each arm."""
        one, other = (
            arm_mean(found, self.units).mean if found else None for found in (self.control, self.treatment)
        )
        return one, other

    def difference(self, confidence: float) -> Estimate:
        """Treatment − control by the design's own method: paired within personas, else between them."""
        units = self.units
        if units.between:
            asked = Estimate(units.method("means"), claim_between(units), units.noun, 0)
            means = dict(zip(self.arms, (self.control, self.treatment), strict=True))
            weights = dict(zip(self.arms, (-1.0, 1.0), strict=True))
            return contrast_of_means(asked, means, weights, units, confidence)
        values = self.differences
        asked = Estimate(units.method("differences"), units.claim, units.noun, len(values))
        return mean_of_units(asked, values, units, confidence)


def unweighted(dataset: Dataset, metric: str, arms: tuple[str, str], confidence: float) -> Estimate:
    """The primary analysis with each persona counted alike: what the weights change."""
    values = PersonaValues.of(dataset, metric, arms)
    alike = replace(values, units=replace(values.units, weights={}, strata={}))
    note = "ignores weights and strata"
    return replace(alike.difference(confidence), note=note, estimand=values.units.own_claim)


def _by_block(
    dataset: Dataset, metric: str, arm: str, transform: Transform
) -> dict[tuple[int, int], list[float]]:
    found: dict[tuple[int, int], list[float]] = {}
    for one in dataset.of(metric, arm):
        if one.value is not None:
            found.setdefault(one.block, []).append(transform(one.value))
    return found


def _by_panel(blocks: Mapping[tuple[int, int], list[float]]) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for (panel, _), values in sorted(blocks.items()):
        found.setdefault(panel, []).append(fmean(values))
    return {panel: fmean(values) for panel, values in found.items()}
