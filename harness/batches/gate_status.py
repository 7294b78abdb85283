"""What gates say of a variant. A source of gates is a function from the variant's place to checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.batches.study_layout import VariantFolder, read_json
from harness.errors import HarnessError
from harness.model import Check, Level
from harness.model.check import worst

Gates = Callable[[VariantFolder], list[Check]]
"""The checks of a variant that ran; empty where a source has nothing to say of it."""

META = ".meta.json"


@dataclass(frozen=True, slots=True)
class GateStatus:
    """Of one variant. ``level`` is ``None`` where no gate ran, which is not a PASS."""

    level: Level | None
    checks: tuple[Check, ...]

    @property
    def text(self) -> str:
        return "NOT CHECKED" if self.level is None else str(self.level)


def check_of(data: Mapping[str, Any]) -> Check:
    """The check that a JSON object has; nulls count as left out. Raises `ValueError`, `TypeError` or `KeyError`."""
    given = {name: value for name, value in data.items() if value is not None}
    made = Check(**{"message": "", **given, "level": Level(data["level"])})
    if not all(isinstance(text, str) for text in (made.name, made.message, made.threshold, made.about)):
        raise TypeError("a name, message, threshold or about that is not text")
    return made


def _checks(path: Path, content: Any, expected: str) -> list[Check]:
    try:
        return [check_of(one) for one in content]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HarnessError(f"{path}: {error!s:.120}; expected {expected}.") from error


def instrument(variant: VariantFolder) -> list[Check]:
    """The validity checks in the meta files, those of the experiment's own play among them."""
    found = []
    for path, meta in _metas(variant):
        said = meta.get("instrument") or {}
        content = said.get("checks", ()) if isinstance(said, dict) else None
        found += _checks(path, content, "the meta file of a run; put it back")
    return found


def filed(variant: VariantFolder) -> list[Check]:
    """Checks that people left in the results, ``results/gates.json``: a list of objects with `Check`'s fields."""
    path, expected = variant.results / "gates.json", "a list of checks (name, level, message)"
    return _checks(path, read_json(path, expected), expected) if path.exists() else []


SOURCES: tuple[Gates, ...] = (instrument, filed)


def status(variant: VariantFolder, sources: Sequence[Gates] = SOURCES) -> GateStatus:
    """What all ``sources`` say of a variant together. Raises `HarnessError`."""
    checks = tuple(check for source in sources for check in source(variant))
    return GateStatus(worst(checks) if checks else None, checks)


def metas(variant: VariantFolder) -> Iterable[dict[str, Any]]:
    """The meta files among a variant's results. Raises `HarnessError`."""
    yield from (meta for _, meta in _metas(variant))


def _metas(variant: VariantFolder) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(variant.results.glob(f"*{META}")):
        content = read_json(path, "the meta file of a run; put it back")
        if not isinstance(content, dict):
            raise HarnessError(f"{path}: {content!r:.60}; expected the meta file of a run. Put it back.")
        yield path, content
