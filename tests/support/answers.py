"""Made-up answers of a questionnaire: one persona per trial."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.model import Dataset, Observation

ARMS = ("plain", "hopeful")
N = 60


def answers(
    arms: dict[str, np.ndarray], *, between: bool = False, metric: str = "trust", **more: Any
) -> Dataset:
    """``arms``: group → answers, persona × proposal; between personas, the arms' personas follow one another."""
    found, first = [], 0
    for group, array in arms.items():
        for (panel, proposal), value in np.ndenumerate(array):
            missing = bool(np.isnan(value))
            place = (metric, group, 1, panel + first, proposal, f"P{panel + first}")
            reason = "unparseable" if missing else None
            found.append(Observation(*place, None if missing else float(value), reason))
        first += len(array) if between else 0
    people = first or len(next(iter(arms.values())))
    panels = tuple((f"P{number}",) for number in range(people))
    return Dataset(
        "survey", tuple(arms), (metric,), tuple(found), "r", between=between, panels=panels, **more
    )


def drawn(seed: int = 0, proposals: int = 1, people: int = N) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    level = rng.normal(3, 1, (people, 1))
    return {
        group: np.clip(np.round(level + shift + rng.normal(0, 0.8, (people, proposals))), 1, 5)
        for group, shift in zip(ARMS, (0.0, 0.3), strict=True)
    }
