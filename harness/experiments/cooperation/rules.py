"""The rules of a game as data: payoffs, power and what a group is told; and what may be wrong with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Choice = Literal["C", "D"]

OUTCOMES = ("CC", "CD", "DC", "DD")
"""One player's choice and the other's: C cooperates, D defects."""

PAYOFFS: Mapping[str, Sequence[float]] = {"CC": (3, 3), "CD": (0, 5), "DC": (5, 0), "DD": (1, 1)}
"""Points of the first and the second player: the prisoner's dilemma with its usual numbers."""

LOWEST, HIGHEST = 50.0, 150.0
"""What power may be."""

POWER: Mapping[str, Any] = {"start": 100.0, "least": LOWEST, "most": HIGHEST, "gain": 10.0}
"""``start`` is everyone's, or a list with one number per agent, of which a mode with fewer agents takes the first.
``gain``: see `GameRules.updated`."""

WEIGHTS: Mapping[str, Callable[[float, float], float]] = {
    "opponent_ratio": lambda own, other: other / own,
    "none": lambda own, other: 1.0,  # noqa: ARG005
    "log": lambda own, other: math.log(own / 100.0),  # noqa: ARG005
}
"""What a payoff is multiplied by, for one's own power and the other's. ``log`` is 0 at 100 and negative below: with it
a first round in which all have 100 is worth nothing to anyone, and weak players are better off with less."""


@dataclass(frozen=True, slots=True)
class GameRules:
    """Payoffs by `OUTCOMES`, the power rule's name, and the bounds and the gain of power."""

    payoffs: Mapping[str, Sequence[float]]
    power_rule: str
    start: float | Sequence[float]
    least: float
    most: float
    gain: float

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> GameRules:
        """Those of an experiment's settings, in which `problems` found nothing."""
        return cls(settings["payoffs"], settings["power_rule"], **settings["power"])

    def starting(self, agents: int) -> list[float]:
        """Everyone's power before the first round."""
        if isinstance(self.start, Sequence):
            return [float(one) for one in self.start][:agents]
        return [float(self.start)] * agents

    def points(self, own: Choice, other: Choice) -> float:
        """The payoff of one player, before power."""
        return float(self.payoffs[own + other][0])

    def score(self, own: Choice, other: Choice, own_power: float, other_power: float) -> float:
        """The payoff of one player as the power rule weighs it."""
        return self.points(own, other) * WEIGHTS[self.power_rule](own_power, other_power)

    def updated(self, powers: Sequence[float], points: Sequence[float | None]) -> list[float]:
        """Everyone's power after a round, from their mean payoff per game in it, not yet weighed by power.

        ``power + gain × (own mean payoff − mean of all players' mean payoffs)``, kept within the bounds. Who has no
        whole game (``None``) keeps their power and is not in the mean.
        """
        known = [one for one in points if one is not None]
        mean = sum(known) / len(known) if known else 0.0
        return [
            power if one is None else min(self.most, max(self.least, power + self.gain * (one - mean)))
            for power, one in zip(powers, points, strict=True)
        ]


def problems(owner: str, settings: Mapping[str, Any], agents: int | None) -> Iterator[str]:
    """What is wrong with an experiment's settings, for so many agents; one sentence each."""
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
