"""What a simulation would take, worked out from its files: calls, tokens and dollars, without a call.

The simulation itself is run with a stand-in for the model. How many share is what a model decides; so it is run three
times: no agent shares, half of them do, all do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.experiments.population.build.sampling import generator
from harness.experiments.population.formats.scenario import OutcomeSpec, ScenarioSpec
from harness.experiments.population.inputs import Inputs
from harness.experiments.population.simulation.reasoning import Asked, Chunk, Questions
from harness.experiments.population.simulation.simulation import Simulation, SimulationOptions
from harness.experiments.population.simulation.state import Thought
from harness.gateway.calls import Request
from harness.gateway.prices import Overrides, price_of
from harness.gateway.requests.call_kinds import texts_of

CHARACTERS_PER_TOKEN = 4
REASONING_TOKENS, OUTCOME_TOKENS = 250, 15
"""Assumed tokens of a reply in role, and of each classified outcome."""
SHARING = {"least": 0.0, "expected": 0.5, "most": 1.0}


@dataclass(frozen=True, slots=True)
class EstimateCase:
    """One of the three cases. ``dollars`` is ``None`` if the price is unknown."""

    name: str
    sharing: float
    timesteps: int
    reached: float
    reasonings: int
    calls: int
    tokens_in: int
    tokens_out: int
    dollars: float | None


class _StandIn:
    """Answers with middling conviction for every agent, and counts what the model would have read."""

    def __init__(self, scenario: ScenarioSpec, sharing: float, seed: int) -> None:
        self._scenario, self._sharing, self._seed = scenario, sharing, seed
        self._questions = Questions(scenario)
        self.reasonings = self.tokens_in = 0

    async def think(self, asked: Sequence[Asked], name: str) -> Chunk:
        rng = generator(self._seed, "estimate", name)
        return Chunk([self._one(one, rng.random(), rng.random()) for one in asked])

    def _one(self, asked: Asked, share: float, option: float) -> Thought:
        said = "." * (REASONING_TOKENS * CHARACTERS_PER_TOKEN // 2)
        self.reasonings += 1
        self.tokens_in += _tokens(self._questions.first(asked)) + _tokens(self._questions.second(said))
        outcomes = {one.name: _value(one, option) for one in self._scenario.outcomes.suggested_outcomes}
        statement = "." * (30 * CHARACTERS_PER_TOKEN)
        return Thought(said, statement, statement, 0.0, 0.5, share < self._sharing, outcomes)


def _value(one: OutcomeSpec, chance: float) -> Any:
    if one.type == "categorical":
        options = one.options or [""]
        return options[int(chance * len(options))]
    return {"boolean": chance < 0.5, "float": (one.range or [0.0])[0]}.get(one.type, "")


def _tokens(request: Request) -> int:
    schema = len(str(request.response_format or ""))
    return math.ceil((sum(map(len, texts_of(request.messages))) + schema) / CHARACTERS_PER_TOKEN)


async def estimate(
    inputs: Inputs, options: SimulationOptions, prices: Overrides | None = None
) -> tuple[EstimateCase, ...]:
    """The three cases, at list prices of ``options.model``."""
    return tuple([await _case(inputs, options, name, share, prices) for name, share in SHARING.items()])


async def _case(
    inputs: Inputs, options: SimulationOptions, name: str, sharing: float, prices: Overrides | None
) -> EstimateCase:
    mind = _StandIn(inputs.scenario, sharing, options.seed)
    done = await Simulation(inputs, options, mind, None).run()
    written = mind.reasonings * (
        REASONING_TOKENS + OUTCOME_TOKENS * len(inputs.scenario.outcomes.suggested_outcomes)
    )
    price = price_of(options.model, prices)
    return EstimateCase(
        name,
        sharing,
        len(done.summaries),
        done.summaries[-1].exposure_rate,
        mind.reasonings,
        2 * mind.reasonings,
        mind.tokens_in,
        written,
        None if price is None else price.cost(mind.tokens_in, written),
    )


def as_rows(cases: Sequence[EstimateCase]) -> list[Mapping[str, Any]]:
    """For JSON and tables."""
    return [{name: getattr(one, name) for name in EstimateCase.__slots__} for one in cases]
