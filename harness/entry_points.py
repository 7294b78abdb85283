"""What other packages add through entry points. Every group is read here, and errors name the distribution."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Any

from harness.errors import ConfigurationError, expected_one_of
from harness.user_code import attempt

EXPERIMENTS = "harness.experiments"
PROVIDERS = "harness.providers"
ENGINES = "harness.engines"
COMMANDS = "harness.commands"
BATCH_KINDS = "harness.batch_kinds"


def claims(group: str, points: Iterable[EntryPoint] | None = None) -> dict[str, list[EntryPoint]]:
    """The entry points of ``group`` by name, in alphabetical order; several where distributions claim one name."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(_installed(group) if points is None else points, key=lambda one: one.name):
        found.setdefault(point.name, []).append(point)
    return found


def _installed(group: str) -> EntryPoints:
    """The entry points of ``group``, read again when a distribution was installed or removed since."""
    return _read(group, tuple((place, _changed(Path(place))) for place in sys.path))


@functools.lru_cache(maxsize=16)
def _read(group: str, _places: tuple[tuple[str, int], ...]) -> EntryPoints:
    return entry_points(group=group)


def _changed(place: Path) -> int:
    try:
        return place.stat().st_mtime_ns
    except OSError:  # an archive that is gone, or the name of an import hook
        return 0


def sole(claimed: Sequence[EntryPoint]) -> EntryPoint:
    """The one entry point of a name. Raises `ConfigurationError` for a name that several distributions register."""
    first, *others = claimed
    if others:
        raise ConfigurationError(
            f"{first.group}: {first.name!r} is registered by {' and by '.join(map(origin, claimed))}; "
            "expected one of them. Uninstall the other."
        )
    return first


def points_of(group: str, points: Iterable[EntryPoint] | None = None) -> dict[str, EntryPoint]:
    """The entry points of ``group`` by name, in alphabetical order.

    Raises `ConfigurationError` for a name that two distributions register.
    """
    return {name: sole(claimed) for name, claimed in claims(group, points).items()}


def load(point: EntryPoint) -> Any:
    """The object that ``point`` names. Raises `HarnessError` with its distribution when it cannot be imported."""
    try:
        return attempt(described(point), point.load)
    except ConfigurationError as error:  # a faulty declaration in the module
        raise ConfigurationError(f"{described(point)}: {error}") from error


def find(group: str, name: str, what: str) -> EntryPoint:
    """The entry point ``name`` of ``group``; messages call it ``what``. Raises `ConfigurationError`."""
    points = points_of(group)
    if name not in points:
        raise ConfigurationError(f"{what} {name!r}: not installed; {expected_one_of(name, points)}")
    return points[name]


def described(point: EntryPoint) -> str:
    """The entry point as its package declares it, and the distribution."""
    return f"Entry point {point.name} = {point.value} of {origin(point)}"


def origin(point: EntryPoint) -> str:
    """The distribution's name and version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
