"""How people were chosen from a larger population, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Method = Literal["simple", "stratified", "quotas", "slice", "raked"]
Targets = Mapping[str, Mapping[Any, float]]


@dataclass(frozen=True, slots=True)
class Draw:
    """One step by which people were chosen: ``size`` of the ``frame``, by ``method``.

    ``by`` are the attributes of the strata, ``targets`` the quotas, or the margins that weights were raked to.
    """

    method: Method
    size: int
    frame: int
    seed: int | None = None
    by: tuple[str, ...] = ()
    targets: Targets = field(default_factory=dict)

    @property
    def is_random(self) -> bool:
        """Whether everyone in the frame had a known chance, so that a claim may reach it."""
        return self.method in ("simple", "stratified", "raked")

    def to_metadata(self) -> dict[str, Any]:
        """The step as records have it; what is not set is left out."""
        found: dict[str, Any] = {"method": self.method, "size": self.size, "frame": self.frame}
        if self.seed is not None:
            found["seed"] = self.seed
        if self.by:
            found["by"] = list(self.by)
        if self.targets:
            found["targets"] = {
                name: {str(level): share for level, share in levels.items()}
                for name, levels in self.targets.items()
            }
        return found

    @classmethod
    def from_metadata(cls, data: Mapping[str, Any]) -> Draw:
        """Read what `to_metadata` wrote."""
        return cls(
            data["method"],
            data["size"],
            data["frame"],
            data.get("seed"),
            tuple(data.get("by") or ()),
            data.get("targets") or {},
        )

    def __str__(self) -> str:
        if self.method == "raked":
            return f"raked to {', '.join(self.targets)}"
        how = {"stratified": f" by {', '.join(self.by)}", "quotas": f" by {', '.join(self.targets)}"}
        seeded = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.method} {self.size:,} of {self.frame:,}{how.get(self.method, '')}{seeded}"
