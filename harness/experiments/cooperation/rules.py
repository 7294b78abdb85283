"""The rules of a game as data: payoffs and power, and their validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Choice = Literal["C", "D"]

OUTCOMES = ("CC", "CD", "DC", "DD")
"""A player's choice, then the other's: C cooperates, D defects."""

PAYOFFS: Mapping[str, Sequence[float]] = {"CC": (3, 3), "CD": (0, 5), "DC": (5, 0), "DD": (1, 1)}
"""Points of the first and the second player: the prisoner's dilemma with its usual numbers."""

LOWEST, HIGHEST = 50.0, 150.0
"""The bounds of power."""

POWER: Mapping[str, Any] = {"start": 100.0, "least": LOWEST, "most": HIGHEST, "gain": 10.0}
"""``start`` is one number for all agents, or a list with one per agent; a mode with fewer agents uses the first ones.
For ``gain`` see `GameRules.updated`."""

WEIGHTS: Mapping[str, Callable[[float, float], float]] = {
    "opponent_ratio": lambda own, other: other / own,
    "none": lambda own, other: 1.0,  # noqa: ARG005
    "log": lambda own, other: math.log(own / 100.0),  # noqa: ARG005
}
"""The factor of a payoff, from a player's own power and the other's. ``log`` is 0 at 100 and negative below: a first
round in which all have 100 scores nothing, and weak players prefer smaller payoffs."""


@dataclass(frozen=True, slots=True)
class GameRules:
    """Payoffs by `OUTCOMES`, the name of the power rule, and the bounds and gain of power."""

    payoffs: Mapping[str, Sequence[float]]
    power_rule: str
    start: float | Sequence[float]
    least: float
    most: float
    gain: float

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> GameRules:
        """The rules in an experiment's settings, which `problems` has checked."""
        return cls(settings["payoffs"], settings["power_rule"], **settings["power"])

    def starting(self, agents: int) -> list[float]:
        """The agents' powers before the first round."""
        if isinstance(self.start, Sequence):
            return [float(one) for one in self.start][:agents]
        return [float(self.start)] * agents

    def points(self, own: Choice, other: Choice) -> float:
        """The payoff of one player, before power."""
        return float(self.payoffs[own + other][0])

    def score(self, own: Choice, other: Choice, own_power: float, other_power: float) -> float:
        """The payoff of one player, weighted by the power rule."""
        return self.points(own, other) * WEIGHTS[self.power_rule](own_power, other_power)

    def updated(self, powers: Sequence[float], points: Sequence[float | None]) -> list[float]:
        """The agents' powers after a round, from their mean unweighted payoff per game.

        ``power + gain × (own mean payoff − mean of all players' mean payoffs)``, kept within the bounds. An agent
        without a complete game (``None``) keeps its power and is left out of the mean.
        """
        known = [one for one in points if one is not None]
        mean = sum(known) / len(known) if known else 0.0
        return [
            power if one is None else min(self.most, max(self.least, power + self.gain * (one - mean)))
            for power, one in zip(powers, points, strict=True)
        ]


def problems(owner: str, settings: Mapping[str, Any], agents: int | None) -> Iterator[str]:
    """Every fault of an experiment's settings, one sentence each."""
    yield from _payoff_problems(owner, settings.get("payoffs"))
    rule = settings.get("power_rule")
    if rule not in WEIGHTS:
        yield f"{owner}: power_rule={rule!r}; expected one of {', '.join(WEIGHTS)}."
    power = settings.get("power")
    if not isinstance(power, Mapping) or power.keys() != POWER.keys():
        yield f"{owner}: power={power!r}; expected {', '.join(POWER)}."
        return
    yield from _power_problems(owner, power, agents)


def _payoff_problems(owner: str, payoffs: Any) -> Iterator[str]:
    wanted = "expected CC, CD, DC and DD, each with two numbers"
    if not isinstance(payoffs, Mapping) or set(payoffs) != set(OUTCOMES):
        had = ", ".join(map(str, payoffs)) if isinstance(payoffs, Mapping) else repr(payoffs)
        yield f"{owner}: payoffs has {had or 'nothing'}; {wanted}."
        return
    for outcome, pair in payoffs.items():
        if not (isinstance(pair, Sequence) and len(pair) == 2 and all(map(_is_number, pair))):
            yield f"{owner}: payoffs of {outcome} are {pair!r}; {wanted}."
            return
    for outcome in ("CC", "CD", "DD"):
        if list(payoffs[outcome]) != list(payoffs[outcome[::-1]])[::-1]:
            yield (
                f"{owner}: payoffs of {outcome} are {list(payoffs[outcome])} and of {outcome[::-1]} "
                f"{list(payoffs[outcome[::-1]])}; expected a game that is the same for both players."
            )


def _power_problems(owner: str, power: Mapping[str, Any], agents: int | None) -> Iterator[str]:
    least, most, start, gain = (power[name] for name in ("least", "most", "start", "gain"))
    if not (_is_number(least) and _is_number(most) and LOWEST <= least < most <= HIGHEST):
        yield f"{owner}: power from {least!r} to {most!r}; expected a range within {LOWEST:g} to {HIGHEST:g}."
        return
    listed = isinstance(start, list | tuple)
    starts = start if listed else [start]
    wrong = [one for one in starts if not (_is_number(one) and least <= one <= most)]
    if wrong:
        yield f"{owner}: power starts at {wrong[0]!r}; expected {least:g} to {most:g}."
    if listed and agents is not None and len(starts) != agents:
        yield f"{owner}: power starts for {len(starts)} agents, but {agents} play; expected one number each."
    if not (_is_number(gain) and gain >= 0):
        yield f"{owner}: power gain={gain!r}; expected 0 or more."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
