"""The packages of experiments that are installed, those of this package among them.

A package registers itself with an entry point in the group ``harness.experiments``. It names a `Guest`, or only
experiments: an `Experiment`, an iterable of them, or a function that takes `Sources` and returns such an iterable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.console import warn
from harness.entry_points import EXPERIMENTS, claims, described, load, origin, sole
from harness.errors import ConfigurationError, HarnessError, expected_one_of
from harness.model import Experiment
from harness.user_code import attempt

if TYPE_CHECKING:
    from harness.model import Dataset
    from harness.reports.review import CallReader
    from harness.reports.run_report import Published
    from harness.stats.results import Analysis

T = TypeVar("T")

Experiments = Mapping[str, Mapping[str, Experiment]]
"""Guest → name → experiment."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where experiments may read their words from.

    Fields:
        notebooks: a folder of notebooks; ``None`` for the packaged words.
        whole: whether every experiment of a guest must be found there. True of a checkout's own folder, not of one that
            the user names.
        accept_differences: take settings from there that differ from the guest's own.
    """

    notebooks: Path | None = None
    whole: bool = True
    accept_differences: bool = False


class Guest:
    """A package of experiments, and what reports and commands show of them. Override what yours has."""

    def experiments(self, sources: Sources) -> Iterable[Experiment]:  # noqa: ARG002
        """The experiments. Raises `ConfigurationError` for sources that cannot be used."""
        return ()

    def published(self, experiment: str, metrics: Sequence[str]) -> Mapping[str, Published]:  # noqa: ARG002
        """Metric → the figures published for it, for reports; metrics have the names that a run gives them."""
        return {}

    def datasets(self, folder: Path, runs: Sequence[str], only: Sequence[str]) -> list[Dataset]:  # noqa: ARG002
        """One dataset per experiment whose artifact is in ``folder``; ``runs`` and ``only`` narrow that down.

        Raises `HarnessError` for an artifact that cannot be read.
        """
        return []

    def comments(self, analysis: Analysis, dataset: Dataset) -> Iterable[str]:  # noqa: ARG002
        """Paragraphs to show above and below the analysis of an artifact."""
        return ()

    def comparable(self, dataset: Dataset) -> Dataset:
        """The dataset under the metric names that its artifacts have in common."""
        return dataset

    def call_reader(self, experiment: str) -> CallReader | None:  # noqa: ARG002
        """How reviewers read calls without learning the arm; ``None``: as recorded."""
        return None


@dataclass(frozen=True)
class _Plain(Guest):
    """A guest that registers experiments and nothing else."""

    value: Any

    def experiments(self, sources: Sources) -> Iterable[Experiment]:
        value = self.value(sources) if callable(self.value) else self.value
        return (value,) if isinstance(value, Experiment) else value


def guests(points: Iterable[EntryPoint] | None = None) -> dict[str, Guest]:
    """Every guest by name, in alphabetical order. A broken one is left out, with a warning that names its package."""
    found = {}
    for name, claimed in claims(EXPERIMENTS, points).items():
        try:
            found[name] = _guest(sole(claimed))
        except HarnessError as error:
            warn(f"{error} Its experiments are left out.")
    return found


def _guest(point: EntryPoint) -> Guest:
    value = load(point)
    if isinstance(value, type) and issubclass(value, Guest):
        value = attempt(described(point), value)
    return value if isinstance(value, Guest) else _Plain(value)


def registered(sources: Sources | None = None, points: Iterable[EntryPoint] | None = None) -> Experiments:
    """The experiments of every guest.

    Raises `ConfigurationError` for an experiment registered twice or a registration that gives no experiment.
    """
    claimed = claims(EXPERIMENTS, points)
    found: dict[str, dict[str, Experiment]] = {}
    owners: dict[str, EntryPoint] = {}
    for name, guest in guests(point for one in claimed.values() for point in one).items():
        point = sole(claimed[name])
        for experiment in _experiments(point, guest, sources or Sources()):
            if (owner := owners.get(experiment.name)) is not None:
                raise ConfigurationError(
                    f"Experiment {experiment.name!r} is registered by {owner.value!r} of {origin(owner)} "
                    f"and by {point.value!r} of {origin(point)}; expected unique names."
                )
            owners[experiment.name] = point
            found.setdefault(name, {})[experiment.name] = experiment
    return found


def _experiments(point: EntryPoint, guest: Guest, sources: Sources) -> tuple[Experiment, ...]:
    found = attempt(described(point), lambda: tuple(guest.experiments(sources)))
    for one in found:
        if not isinstance(one, Experiment):
            raise ConfigurationError(
                f"{described(point)} gave a {type(one).__name__}; expected an Experiment."
            )
    return found


def find(name: str, experiments: Experiments) -> tuple[Experiment, ...]:
    """The experiment called ``name``, or all of the guest called so. Raises `ConfigurationError` with the names."""
    if name in experiments:
        return tuple(experiments[name].values())
    known = {one.name: one for guest in experiments.values() for one in guest.values()}
    if name in known:
        return (known[name],)
    raise ConfigurationError(f"Unknown experiment {name!r}; {expected_one_of(name, known)}")


def _ask(work: Callable[[Guest], T]) -> Iterator[tuple[T | None, HarnessError | None]]:
    """What ``work`` gives for each guest, or the error that names it."""
    for name, guest in guests().items():
        try:
            yield attempt(f"The package of experiments {name!r}", partial(work, guest)), None
        except HarnessError as error:
            yield None, error


def _ask_all(work: Callable[[Guest], T]) -> Iterator[T]:
    """What ``work`` gives for each guest. One that raises is left out, with a warning that names it."""
    for found, error in _ask(work):
        if error is not None:
            warn(str(error))
        elif found is not None:
            yield found


def published(experiment: str, metrics: Sequence[str]) -> Mapping[str, Published]:
    """What any guest knows to be published about the experiment's metrics."""
    return next(filter(None, _ask_all(lambda guest: guest.published(experiment, metrics))), {})


def comments(analysis: Analysis, dataset: Dataset) -> list[str]:
    """What the guests say of the analysis of an artifact."""
    return [
        text for found in _ask_all(lambda guest: list(guest.comments(analysis, dataset))) for text in found
    ]


def comparable(dataset: Dataset) -> Dataset:
    """The dataset under the metric names that its artifacts have in common."""
    changed = (found for found in _ask_all(lambda guest: guest.comparable(dataset)) if found is not dataset)
    return next(changed, dataset)


def call_reader(experiment: str) -> CallReader | None:
    """How reviewers read the experiment's calls. Raises `HarnessError`, because a sheet without it may show the arm."""
    for found, error in _ask(lambda guest: guest.call_reader(experiment)):
        if error is not None:
            raise error
        if found is not None:
            return found
    return None


def datasets(folder: Path, runs: Sequence[str] = (), only: Sequence[str] = ()) -> list[Dataset]:
    """The datasets of the artifacts in ``folder``, from the first guest that can read them. Raises `HarnessError`."""
    failures: list[HarnessError] = []
    for found, error in _ask(lambda guest: guest.datasets(folder, runs, only)):
        if found:
            return found
        failures += [error] if error else []
    raise (
        failures[-1]
        if failures
        else ConfigurationError(f"{folder}: no installed experiment has artifacts there.")
    )
