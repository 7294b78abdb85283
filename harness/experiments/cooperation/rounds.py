"""A round: its strategies and games, and the summary computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, pstdev, pvariance
from typing import Any, Literal

from harness.experiments.cooperation.rules import Choice
from harness.experiments.cooperation.similarity import mean_similarity

Missing = Literal["unparseable", "refused", "failed"]
"""Why a choice is missing: the reply named neither option, the model declined, or the call failed."""


@dataclass(frozen=True, slots=True)
class ReplyCost:
    """The cost of a reply in US dollars; ``None`` with the reason if unknown."""

    cost: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Strategy:
    """An agent's strategy for a round. ``text`` is ``None`` if it is ``missing``, for the ``reason``.

    ``plain`` is the text with the same option names for all agents; ``words`` counts all words, of which the first
    hundred are kept. ``bill`` is ``None`` if no reply came.
    """

    agent: str
    text: str | None
    plain: str | None = None
    words: int = 0
    missing: Missing | None = None
    reason: str | None = None
    bill: ReplyCost | None = None


@dataclass(frozen=True, slots=True)
class PlayerDecision:
    """One choice, or ``None`` if it is ``missing``; ``reply`` has the first 200 characters of the reply."""

    choice: Choice | None
    missing: Missing | None = None
    reply: str = ""
    reason: str | None = None
    bill: ReplyCost | None = None


@dataclass(frozen=True, slots=True)
class Game:
    """Two agents, by number, with their choices, powers, payoffs and scores; no payoffs unless both chose."""

    first: int
    second: int
    decisions: tuple[PlayerDecision, PlayerDecision]
    powers: tuple[float, float]
    points: tuple[float, float] | None
    scores: tuple[float, float] | None

    def sides(self) -> Iterable[Side]:
        """The game from each player's point of view."""
        for mine, number, other in ((0, self.first, self.second), (1, self.second, self.first)):
            yield Side(
                number,
                other,
                self.decisions[mine].choice,
                self.decisions[1 - mine].choice,
                self.powers[mine],
                self.powers[1 - mine],
                None if self.points is None else self.points[mine],
                None if self.scores is None else self.scores[mine],
            )


@dataclass(frozen=True, slots=True)
class Side:
    """A game from one agent's point of view."""

    agent: int
    opponent: int
    choice: Choice | None
    other: Choice | None
    power: float
    other_power: float
    points: float | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Round:
    """A finished round: all data for later rounds and the analysis. ``ids`` are anonymous."""

    number: int
    strategies: tuple[Strategy, ...]
    games: tuple[Game, ...]
    ids: tuple[str, ...]
    powers: tuple[float, ...]

    def sides(self, agent: int | None = None) -> list[Side]:
        """Both sides of every game, or those of one agent."""
        return [side for game in self.games for side in game.sides() if agent in (None, side.agent)]

    def scores(self) -> list[float]:
        """The agents' total scores over complete games."""
        totals = [0.0] * len(self.powers)
        for side in self.sides():
            totals[side.agent] += side.score or 0.0
        return totals

    def mean_points(self) -> list[float | None]:
        """The agents' mean unweighted payoffs per complete game; ``None`` without one."""
        found: list[list[float]] = [[] for _ in self.powers]
        for side in self.sides():
            if side.points is not None:
                found[side.agent].append(side.points)
        return [fmean(one) if one else None for one in found]


def cooperation(sides: Iterable[Side]) -> tuple[int, int]:
    """Return (cooperations, choices obtained)."""
    known = [side.choice for side in sides if side.choice is not None]
    return known.count("C"), len(known)


def share(events: int, of: int) -> float | None:
    """``None`` for 0 of 0."""
    return events / of if of else None


@dataclass(frozen=True, slots=True)
class RoundSummary:
    """One round in numbers. Rates are 0 to 1, ``None`` without decisions. Variances and ``std`` are over all agents as
    the population. ``coverage`` is the share of decisions obtained."""

    round: int
    cooperation_rate: float | None
    cooperations: int
    decisions: int
    coverage: float
    average_score: float
    score_variance: float
    power_distribution: Mapping[str, float]
    score_distribution: Mapping[str, float]
    anonymized_games: Sequence[Mapping[str, Any]]
    strategy_similarity: float | None
    reasons: Mapping[str, str] = field(default_factory=dict)


def summarised(played: Round) -> RoundSummary:
    """The summary of a finished round."""
    events, of = cooperation(played.sides())
    scores, powers = played.scores(), played.powers
    texts = [one.plain for one in played.strategies if one.plain is not None]
    similarity = mean_similarity(texts)
    reasons = {}
    if not of:
        reasons["cooperation_rate"] = "no decision was obtained"
    if similarity is None:
        reasons["strategy_similarity"] = f"{len(texts)} strategies with words; needs at least two"
    return RoundSummary(
        round=played.number,
        cooperation_rate=share(events, of),
        cooperations=events,
        decisions=of,
        coverage=of / (2 * len(played.games)),
        average_score=fmean(scores),
        score_variance=pvariance(scores),
        power_distribution={
            "mean": fmean(powers), "std": pstdev(powers), "min": min(powers), "max": max(powers)
        },
        score_distribution={"min": min(scores), "max": max(scores), "avg": fmean(scores)},
        anonymized_games=[_anonymized(game, played.ids) for game in played.games],
        strategy_similarity=similarity,
        reasons=reasons,
    )  # fmt: skip


_NAMES = {"C": "COOPERATE", "D": "DEFECT", None: None}


def _anonymized(game: Game, ids: Sequence[str]) -> dict[str, Any]:
    return {
        "players": [ids[game.first], ids[game.second]],
        "actions": [_NAMES[one.choice] for one in game.decisions],
        "powers": list(game.powers),
        "scores": None if game.scores is None else list(game.scores),
    }


def strategies_data(played: Sequence[Strategy], number: int) -> dict[str, Any]:
    """The content of a ``strategies_rN.json``."""
    return {"round": number, "strategies": [asdict(one) for one in played]}


def games_data(number: int, games: Sequence[Game], agents: Sequence[str]) -> dict[str, Any]:
    """The content of a ``games_rN.json``, with the agents' real names."""
    return {"round": number, "games": [_game_data(game, agents) for game in games]}


def _game_data(game: Game, agents: Sequence[str]) -> dict[str, Any]:
    return {
        "players": [agents[game.first], agents[game.second]],
        "actions": [_NAMES[one.choice] for one in game.decisions],
        "missing": [one.missing for one in game.decisions],
        "reasons": [one.reason for one in game.decisions],
        "replies": [one.reply for one in game.decisions],
        "powers": list(game.powers),
        "points": None if game.points is None else list(game.points),
        "scores": None if game.scores is None else list(game.scores),
    }
