"""Normalised metric names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from harness.model import Dataset

_SAME = {"hard_persona_adherence": "persona_adherence"}
"""The strict and the plain claim are one row of the table; the settings say which one an experiment used."""


def normalised(name: str) -> str:
    """``name`` in lower case with underscores; both kinds of persona adherence are ``persona_adherence``."""
    plain = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    return _SAME.get(plain, plain)


def names(metrics: Iterable[str]) -> dict[str, str]:
    """Name → normalised form; names that would collide stay unchanged."""
    found = {metric: normalised(metric) for metric in metrics}
    short = list(found.values())
    return {metric: one if short.count(one) == 1 else metric for metric, one in found.items()}


def with_normalised_metrics(dataset: Dataset) -> Dataset:
    """The same data under normalised metric names."""
    known = names(dataset.metrics)
    return replace(
        dataset,
        metrics=tuple(known[metric] for metric in dataset.metrics),
        observations=tuple(replace(one, metric=known[one.metric]) for one in dataset.observations),
        unplaced={(known[metric], group): values for (metric, group), values in dataset.unplaced.items()},
    )
