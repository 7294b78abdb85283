"""Small populations, and simulations of the packaged one, for tests to make and break."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.cli import main
from harness.experiments.population.formats.agents import Agents
from harness.experiments.population.formats.scenario import scenario_of
from harness.experiments.population.inputs import Inputs
from harness.experiments.population.simulation.reasoning import Asked, Chunk
from harness.experiments.population.simulation.state import (
    Thought,
)
from tests.support.naive_population import Scripted


def people(size: int = 200, **columns: Any) -> Agents:
    return Agents(
        tuple(f"a{n}" for n in range(size)), {name: np.asarray(one) for name, one in columns.items()}
    )


def population_command(*words: object) -> tuple[int, str]:
    """Exit code and everything said of ``harness population``; a traceback is no answer, but an exception."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
        patch.setattr(sys, "argv", ["harness", "population", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), said.getvalue()


def with_exposure(inputs: Inputs, rules: list[dict[str, Any]], steps: int, **spread: Any) -> Inputs:
    """``inputs`` with these exposure rules, so many steps, and everybody hearing who may."""
    data = inputs.scenario.model_dump(mode="json", exclude_none=True)
    data["seed_exposure"]["rules"] = rules
    data["spread"] = {"share_probability": 1.0, "decay_per_hop": 0.0, **spread}
    data["simulation"] = {"max_timesteps": steps}
    return replace(inputs, scenario=scenario_of(data, frozenset(inputs.agents.columns)))


class Sharing(Scripted):
    """Everybody speaks of it, and says who they are."""

    def __init__(self) -> None:
        super().__init__(("for", "against", "undecided"))

    async def think(self, asked: Sequence[Asked], name: str) -> Chunk:
        await super().think(asked, name)
        return Chunk([Thought("r", one.agent, "m", 0.0, 0.5, True, {"stance": "for"}) for one in asked])
