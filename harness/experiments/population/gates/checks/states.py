"""The final states of agents, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.experiments.population.gates.material import Blocked, StudyFiles
from harness.experiments.population.gates.table import Array

NAME = "results/agent_states.json"


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """Of each agent: whether aware, whether reasoned, its position, its outcomes."""

    ids: Sequence[Any]
    aware: Array
    reasoned: Array
    positions: Sequence[Any]
    outcomes: Sequence[dict[str, Any]]
    faults: int

    def __len__(self) -> int:
        return len(self.ids)


def states_of(material: StudyFiles) -> States:
    """Final states; a list of ``{agent_id, final_state}``. Raises `Blocked`."""
    rows = material.json(NAME)
    if not isinstance(rows, list) or not rows:
        raise Blocked(NAME, 'expected a list of {"agent_id": …, "final_state": {…}} with one agent at least.')
    sound = [row for row in rows if isinstance(row, dict) and isinstance(row.get("final_state"), dict)]
    final = [row["final_state"] for row in sound]
    steps = [one.get("last_reasoning_timestep") for one in final]
    return States(
        [row.get("agent_id") for row in sound],
        np.array([one.get("aware") is True for one in final], dtype=bool),
        np.array([isinstance(step, int) and step >= 0 for step in steps], dtype=bool),
        [one.get("position") for one in final],
        [one["outcomes"] if isinstance(one.get("outcomes"), dict) else {} for one in final],
        len(rows) - len(sound),
    )
