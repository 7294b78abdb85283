"""The experiments that can be named: those of this package and those that other packages register.

A package registers with an entry point in the group ``harness.experiments``. It names an `Experiment`, an iterable
of them, or a function that takes the folder of notebooks that words may come from (``None`` for the packaged words)
and returns such an iterable.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError
from harness.model import Experiment

GROUP = "harness.experiments"


def registered(
    notebooks: Path | None = None, points: Iterable[EntryPoint] | None = None
) -> Mapping[str, Experiment]:
    """Every registered experiment by name, in the order of registration.

    Raises `ConfigurationError` for a name registered twice or a registration that gives no experiment.
    """
    found: dict[str, Experiment] = {}
    for point in sorted(
        entry_points(group=GROUP) if points is None else points, key=lambda point: point.name
    ):
        for experiment in _experiments(point, notebooks):
            if experiment.name in found:
                raise ConfigurationError(
                    f"Experiment {experiment.name!r} is registered twice, the second time by {point.value!r}; "
                    "expected unique names."
                )
            found[experiment.name] = experiment
    return found


def find(name: str, known: Mapping[str, Experiment]) -> Experiment:
    """The experiment called ``name``. Raises `ConfigurationError` with the names that there are."""
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigurationError(f"Unknown experiment {name!r}; expected one of {', '.join(known)}.{hint}")


def _experiments(point: EntryPoint, notebooks: Path | None) -> Iterable[Experiment]:
    value: Any = point.load()
    if callable(value):
        value = value(notebooks)
    experiments = (value,) if isinstance(value, Experiment) else tuple(value)
    for experiment in experiments:
        if not isinstance(experiment, Experiment):
            raise ConfigurationError(
                f"Entry point {point.name} = {point.value} gave a {type(experiment).__name__}; expected an Experiment."
            )
    return experiments
