"""The state of all agents at the start of a step."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from harness.experiments.population.formats.expressions import Array

REMEMBERED = 3
"""Earlier thoughts that an agent remembers."""
NEVER, NO_POSITION = -2, -1


class StopReason(StrEnum):
    """Why a simulation ended. One that was interrupted has no reason."""

    MAX_TIMESTEPS = "max_timesteps_reached"
    CONDITION = "stop_condition"
    CONVERGENCE = "convergence"
    QUIESCENT = "simulation_quiescent"


@dataclass(frozen=True, slots=True)
class Thought:
    """The result of an agent's reasoning. ``conviction`` is 0 to 1, ``sentiment`` −1 to 1."""

    reasoning: str
    statement: str
    summary: str
    sentiment: float
    conviction: float
    will_share: bool
    outcomes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReasoningFailure:
    """Reasoning failed. After ``refused`` the agent is not asked again; ``answered``: replies came, none usable."""

    reason: str
    refused: bool = False
    answered: bool = False


@dataclass(frozen=True, slots=True)
class EarlierThought:
    """An earlier thought in a sentence."""

    timestep: int
    sentiment: float
    conviction: float
    summary: str


@dataclass(slots=True)
class AgentStates:
    """Arrays over agents, by index; ``told_as`` over directed ties (`Ties`): the position last told to a neighbour.

    ``fresh`` counts exposures since the agent last reasoned, ``hop`` the hops from the event to the agent (0: from
    outside). ``last`` is the step of the last reasoning, −1: none. ``position`` is an index into the options.
    ``thoughts`` has each agent's last thought. NaN: none yet.
    """

    aware: Array
    exposures: Array
    fresh: Array
    hop: Array
    last: Array
    reasoned: Array
    position: Array
    sentiment: Array
    conviction: Array
    will_share: Array
    told_as: Array
    thoughts: list[Thought | None] = field(default_factory=list)
    memories: list[tuple[EarlierThought, ...]] = field(default_factory=list)

    @classmethod
    def initial(cls, size: int, ties: int) -> AgentStates:
        """The initial state: no agent is aware."""
        none = np.full(size, -1, dtype=np.int64)
        zero, nan, false = np.zeros(size, dtype=np.int64), np.full(size, np.nan), np.zeros(size, dtype=bool)
        return cls(
            aware=false.copy(),
            exposures=zero.copy(),
            fresh=zero.copy(),
            hop=none.copy(),
            last=none.copy(),
            reasoned=zero.copy(),
            position=none.copy(),
            sentiment=nan.copy(),
            conviction=nan.copy(),
            will_share=false.copy(),
            told_as=np.full(ties, NEVER, dtype=np.int64),
            thoughts=[None] * size,
            memories=[()] * size,
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """A step in figures; averages are over agents that have the value (``None``: none has)."""

    timestep: int
    new_exposures: int
    agents_reasoned: int
    agents_failed: int
    shares_occurred: int
    state_changes: int
    exposure_rate: float
    position_distribution: dict[str, int]
    average_sentiment: float | None
    average_conviction: float | None
    sentiment_variance: float | None
