"""What other packages add through entry points. Every group is read here, and errors name the distribution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
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
    for point in sorted(entry_points(group=group) if points is None else points, key=lambda one: one.name):
        found.setdefault(point.name, []).append(point)
    return found


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
