"""Pairs, anonymous ids and option names, all drawn from the seed.

No key contains the group, so the games of one world are paired across groups, down to the labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from harness.experiments.cooperation.rules import Choice
from harness.model import TrialPlan

LABELS = (
    ("AMBER", "VIOLET"),
    ("CIRCLE", "SQUARE"),
    ("NORTH", "SOUTH"),
    ("RIVER", "MEADOW"),
    ("COPPER", "NICKEL"),
    ("MAPLE", "WILLOW"),
)
"""Neutral pairs of words; which word means cooperation is drawn for each agent and round."""

FIRST_ID = 100


@dataclass(frozen=True, slots=True)
class OptionNames:
    """The names of one agent's two options in one round, in the order of the prompt."""

    names: tuple[str, str]
    cooperate: str

    @property
    def defect(self) -> str:
        return next(name for name in self.names if name != self.cooperate)

    def name(self, choice: Choice) -> str:
        return self.cooperate if choice == "C" else self.defect

    def choice(self, name: str) -> Choice:
        return "C" if name == self.cooperate else "D"


@dataclass(frozen=True, slots=True)
class Society:
    """The agents of one trial. ``key`` seeds every draw; rounds count from 1."""

    agents: tuple[str, ...]
    rounds: int
    key: str

    @classmethod
    def of(cls, plan: TrialPlan) -> Society:
        cell = plan.trial.cell
        key = f"{plan.seed}/{cell.experiment}/{cell.rep}/{plan.trial.panel}/{plan.trial.proposal}"
        return cls(tuple(person.name for person in plan.personas), plan.steps, key)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Every pair of agents, by number."""
        return list(combinations(range(len(self.agents)), 2))

    def options(self, agent: int, number: int) -> OptionNames:
        """The names of the agent's options in round ``number``."""
        rng = self._chance("options", number, self.agents[agent])
        names = list(rng.choice(LABELS))
        cooperate = rng.choice(names)
        rng.shuffle(names)
        return OptionNames((names[0], names[1]), cooperate)

    def ids(self, number: int) -> Sequence[str]:
        """The agents' anonymous ids in round ``number``; each id is used in one round only."""
        size = len(self.agents)
        drawn = self._chance("ids").sample(
            range(FIRST_ID, FIRST_ID + 9 * size * self.rounds), size * self.rounds
        )
        return [f"Player {one}" for one in drawn[(number - 1) * size : number * size]]

    def _chance(self, *key: object) -> Random:
        return Random(hashlib.sha256("/".join(map(str, (self.key, *key))).encode()).digest())
