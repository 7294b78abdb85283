"""Software versions, without anything that identifies the machine."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

DISTRIBUTION = "persona-harness"


def environment() -> dict[str, Any]:
    """Python, the kind of system, and the installed versions of this package and its dependencies."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": packages(f"{DISTRIBUTION}[all]"),
        "note": "of the installation that made this bundle; the runs' own versions are in data/experiments.csv",
    }


def packages(root: str) -> dict[str, str]:
    """Versions of ``root`` and of its installed dependencies, at any depth, by name."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    waiting = [Requirement(root)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = installed.version
        for line in installed.requires or ():
            one = Requirement(line)
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append(one)
    return dict(sorted(found.items()))
