"""What variants came out with, and how it differs: between values of the axis, and between seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from harness.batches.manifest import Manifest, Planned
from harness.batches.registry import Registry, VariantStatus
from harness.batches.study_layout import Study, VariantFolder
from harness.errors import ConfigurationError, HarnessError, raise_if_any
from harness.model import Dataset
from harness.records import FiledRun, dataset_of, meta_of, record_files, runs_in_files
from harness.records.json_safe import differences, shown
from harness.records.run_comparison import ComparedLevel

_CONFIG_OF_AXIS = {
    "threshold": ("corrections",),
    "model": ("model", "provider", "base_url"),
    "provider": ("model", "provider", "base_url"),
    "routine-model": ("judge_model", "judge_provider", "judge_base_url"),
    "rate": ("rate",),
    "steps": ("steps",),
    "people": ("people",),
}
"""What of a config each common axis varies; an experiment's own axis varies its setting under ``axes``."""


@dataclass(frozen=True, slots=True)
class VariantOutcome:
    """One variant's results. ``level`` are the axis values without the seed; equal levels differ by seed alone."""

    batch_id: str
    planned: Planned
    dataset: Dataset
    run: FiledRun

    @property
    def level(self) -> str:
        return ", ".join(f"{axis} {value}" for axis, value in self.planned.overrides.items()) or "as it is"


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a metric in a group of one variant; ``n`` values were obtained of ``expected``."""

    level: str
    seed: int
    variant_id: str
    value: float | None
    n: int
    expected: int


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """The means of one level over its seeds. ``sd`` is the sample's, ``None`` with fewer than two seeds."""

    level: str
    seeds: int
    mean: float | None
    low: float | None
    high: float | None
    sd: float | None


@dataclass(frozen=True, slots=True)
class Stability:
    """A metric in a group: its spread per level, and which share of the variance of means is whose.

    ``of_variant`` is the sum of squares between levels, ``of_seed`` that within them, each over the total (eta squared,
    one-way); ``None`` with ``reason``.
    """

    metric: str
    group: str
    means: tuple[Mean, ...]
    spreads: tuple[SeedSpread, ...]
    of_variant: float | None
    of_seed: float | None
    reason: str = ""


def outcomes(study: Study, manifest: Manifest, only: Sequence[str] = ()) -> list[VariantOutcome]:
    """The results of a batch's variants. Raises `HarnessError` where one is not a success."""
    rows = Registry(study.rows).read().latest(manifest.batch_id)
    chosen = [manifest.variant(name) for name in dict.fromkeys(only)] or list(manifest.variants)
    behind = [one.id for one in chosen if one.id not in rows or rows[one.id].status != VariantStatus.SUCCESS]
    if behind:
        raise HarnessError(
            f"Batch {manifest.batch_id}: {', '.join(behind)} {'is' if len(behind) == 1 else 'are'} not a success yet; "
            f"expected all compared variants to be one. Resume with: harness study run {study.name} {manifest.batch_id}"
        )
    found = [(one, run_in(study.batch(manifest.batch_id).variant(one.id))) for one in chosen]
    return [VariantOutcome(manifest.batch_id, one, dataset_of(run, meta_of(run)), run) for one, run in found]


def run_in(place: VariantFolder) -> FiledRun:
    """The run of a variant's results. Raises `HarnessError` where there is not exactly one."""
    files = record_files([place.results], or_none=True) if place.results.is_dir() else []
    found = runs_in_files(files) if files else []
    if len(found) != 1:
        raise HarnessError(f"{place.results}: records of {len(found)} runs; expected those of one.")
    return found[0]


def dataset_in(place: VariantFolder) -> Dataset:
    """The data of a variant's results. Raises as `run_in` does."""
    run = run_in(place)
    return dataset_of(run, meta_of(run))


def levels_of(found: Sequence[VariantOutcome]) -> list[ComparedLevel]:
    """The runs of each level together, the seeds of a level as its repetitions."""
    names = dict.fromkeys(one.level for one in found)
    return [ComparedLevel(name, tuple(one.run for one in found if one.level == name)) for name in names]


def refuse_incomparable(manifests: Sequence[Manifest]) -> None:
    """Raise a `ConfigurationError` that says in what the batches differ that they do not mean to vary."""
    first = manifests[0]
    problems: list[str] = []
    for other in manifests[1:]:
        both = f"{first.batch_id} and {other.batch_id}"
        if first.experiment != other.experiment:
            problems.append(f"{both}: experiment {first.experiment} and {other.experiment}.")
        for what, then, now in (
            ("scenario", first.scenario, other.scenario),
            ("config", *(without(one.config, set(first.axes) & set(other.axes)) for one in (first, other))),
            ("seed policy", {"seeds": policy(first)}, {"seeds": policy(other)}),
        ):
            problems += [
                f"{both}: {what}, {key}: {shown(a)} and {shown(b)}."
                for key, (a, b) in differences(then, now).items()
            ]
    if problems:
        raise ConfigurationError(
            "These variants are not to be compared; they differ in more than the axis:", *problems
        )
    names = [one.batch_id for one in manifests]
    raise_if_any(
        f"{name} is named {names.count(name)} times; expected once: a seed counts once."
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    )


def refuse_uneven(found: Sequence[VariantOutcome]) -> None:
    """Raise a `ConfigurationError` where levels were run under different seeds, or one under a seed twice."""
    seeds: dict[str, set[int]] = {}
    places: dict[str, list[str]] = {}
    for one in found:
        seeds.setdefault(one.level, set()).add(one.planned.seed)
        places.setdefault(one.planned.id, []).append(one.batch_id)
    raise_if_any(
        f"{name} is in {' and '.join(batches)}: a seed counts once. Compare batches with other values."
        for name, batches in places.items()
        if len(batches) > 1
    )
    (first, expected), *others = seeds.items()
    problems = [
        f"  {level}: seeds {sorted(own)}; {first}: seeds {sorted(expected)}"
        for level, own in others
        if own != expected
    ]
    if problems:
        raise ConfigurationError(
            "These variants differ in their seed policy:", *problems, "Choose the same seeds of each."
        )


def policy(manifest: Manifest) -> str:
    """Which seeds a batch runs every value of its axis under."""
    if manifest.axes == ("seed",):
        return "the seed is what it varies"
    return ", ".join(map(str, manifest.seeds))


def without(config: Mapping[str, object], axes: Iterable[str]) -> dict[str, object]:
    """A config, less what ``axes`` vary of it."""
    axes = set(axes)
    left = {
        name: value
        for name, value in config.items()
        if not any(name in _CONFIG_OF_AXIS.get(a, ()) for a in axes)
    }
    own = config.get("axes")
    if isinstance(own, Mapping):
        left["axes"] = {name: value for name, value in own.items() if name.replace("_", "-") not in axes}
    return left


def stability(found: Sequence[VariantOutcome]) -> list[Stability]:
    """Every metric in every group, in the experiment's order."""
    first = found[0].dataset
    return [_stability(found, metric, group) for metric in first.metrics for group in first.groups]


def _stability(found: Sequence[VariantOutcome], metric: str, group: str) -> Stability:
    means = tuple(_mean(one, metric, group) for one in found)
    by_level: dict[str, list[float]] = {}
    for one in means:
        by_level.setdefault(one.level, [])
        if one.value is not None:
            by_level[one.level].append(one.value)
    spreads = tuple(_spread(level, values) for level, values in by_level.items())
    return Stability(metric, group, means, spreads, *_shares(by_level))


def _mean(one: VariantOutcome, metric: str, group: str) -> Mean:
    values = one.dataset.values(metric, group)
    expected = len(values) + one.dataset.missing(metric, group)
    value = fmean(values) if values else None
    return Mean(one.level, one.planned.seed, one.planned.id, value, len(values), expected)


def _spread(level: str, values: Sequence[float]) -> SeedSpread:
    if not values:
        return SeedSpread(level, 0, None, None, None, None)
    sd = stdev(values) if len(values) > 1 else None
    return SeedSpread(level, len(values), fmean(values), min(values), max(values), sd)


def _shares(by_level: Mapping[str, Sequence[float]]) -> tuple[float | None, float | None, str]:
    values = [value for level in by_level.values() for value in level]
    kept = [level for level in by_level.values() if level]
    if len(values) < 2:
        return None, None, "fewer than two means"
    if len(kept) < 2:
        return None, None, "one value of the axis alone"
    if all(len(level) < 2 for level in kept):
        return None, None, "one seed per value of the axis: the share of the seed is unknown"
    centre = fmean(values)
    total = math.fsum((value - centre) ** 2 for value in values)
    if total <= 1e-12 * max(1.0, centre**2):
        return None, None, "all means are equal"
    within = math.fsum((value - fmean(level)) ** 2 for level in kept for value in level)
    of_seed = min(1.0, within / total)
    return 1 - of_seed, of_seed, ""
