"""What gates say of a variant. A source of gates is a function from the variant's place to checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.model import Check, Level
from harness.model.check import worst
from harness.operations.layout import Variant

Gates = Callable[[Variant], list[Check]]
"""The checks of a variant that ran; empty where a source has nothing to say of it."""

META = ".meta.json"


@dataclass(frozen=True, slots=True)
class GateStatus:
    """Of one variant. ``level`` is ``None`` where no gate said anything, which is no PASS."""

    level: Level | None
    checks: tuple[Check, ...]

    @property
    def text(self) -> str:
        return "NOT CHECKED" if self.level is None else str(self.level)


def instrument(variant: Variant) -> list[Check]:
    """The instrument's checks, as the meta files have them, those of the experiment's own play among them."""
    return [
        Check(
            str(one["name"]),
            Level(one["level"]),
            str(one.get("message", "")),
            one.get("number"),
            str(one.get("threshold", "")),
            str(one.get("about") or ""),
        )
        for meta in metas(variant)
        for one in (meta.get("instrument") or {}).get("checks", ())
    ]


def filed(variant: Variant) -> list[Check]:
    """Checks that somebody left beside the results, ``results/gates.json``: a list of objects with `Check`'s fields."""
    path = variant.results / "gates.json"
    if not path.exists():
        return []
    try:
        return [Check(**{**one, "level": Level(one["level"])}) for one in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HarnessError(
            f"{path}: {error!s:.120}; expected a list of checks (name, level, message)."
        ) from error


SOURCES: tuple[Gates, ...] = (instrument, filed)


def status(variant: Variant, sources: Sequence[Gates] = SOURCES) -> GateStatus:
    """What all ``sources`` say of a variant together. Raises `HarnessError`."""
    checks = tuple(check for source in sources for check in source(variant))
    return GateStatus(worst(checks) if checks else None, checks)


def metas(variant: Variant) -> Iterable[dict[str, Any]]:
    """The meta files among a variant's results. Raises `HarnessError`."""
    for path in sorted(variant.results.glob(f"*{META}")):
        yield _read(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        return content
    except (OSError, ValueError) as error:
        raise HarnessError(
            f"{path}: {error!s:.120}; expected the meta file of a run. Put it back."
        ) from error
