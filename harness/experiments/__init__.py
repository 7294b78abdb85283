"""The experiments that can be named: those of this package and those that other packages register.

A package registers a study with an entry point in the group ``harness.experiments``. It names an `Experiment`, an
iterable of them, or a function that takes `Sources` and returns such an iterable.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError
from harness.model import Experiment

GROUP = "harness.experiments"

Studies = Mapping[str, Mapping[str, Experiment]]
"""Study → name → experiment."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a study may read its words from.

    ``notebooks`` is a folder of notebooks, ``None`` for the packaged words. ``whole`` says that every experiment of the
    study must be found there, which is so for a checkout's own folder but not for one that the user names.
    ``accept_differences`` takes settings from there that differ from the study's own.
    """

    notebooks: Path | None = None
    whole: bool = True
    accept_differences: bool = False


def registered(sources: Sources | None = None, points: Iterable[EntryPoint] | None = None) -> Studies:
    """Every registered study, by name in alphabetical order.

    Raises `ConfigurationError` for an experiment registered twice or a registration that gives no experiment.
    """
    studies: dict[str, dict[str, Experiment]] = {}
    owners: dict[str, str] = {}
    for point in sorted(
        entry_points(group=GROUP) if points is None else points, key=lambda point: point.name
    ):
        for experiment in _experiments(point, sources or Sources()):
            if experiment.name in owners:
                raise ConfigurationError(
                    f"Experiment {experiment.name!r} is registered by {owners[experiment.name]!r} "
                    f"and by {point.value!r}; expected unique names."
                )
            owners[experiment.name] = point.value
            studies.setdefault(point.name, {})[experiment.name] = experiment
    return studies


def find(name: str, studies: Studies) -> tuple[Experiment, ...]:
    """The experiment called ``name``, or all of the study called so. Raises `ConfigurationError` with the names."""
    if name in studies:
        return tuple(studies[name].values())
    known = {experiment.name: experiment for study in studies.values() for experiment in study.values()}
    if name in known:
        return (known[name],)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigurationError(f"Unknown experiment {name!r}; expected one of {', '.join(known)}.{hint}")


def _experiments(point: EntryPoint, sources: Sources) -> Iterable[Experiment]:
    from harness.user_code import attempt

    def load() -> tuple[Any, ...]:
        value: Any = point.load()
        if callable(value):
            value = value(sources)
        return (value,) if isinstance(value, Experiment) else tuple(value)

    experiments = attempt(f"Entry point {point.name} = {point.value}", load)
    for experiment in experiments:
        if not isinstance(experiment, Experiment):
            kind = type(experiment).__name__
            raise ConfigurationError(
                f"Entry point {point.name} = {point.value} gave a {kind}; expected an Experiment."
            )
    return experiments
