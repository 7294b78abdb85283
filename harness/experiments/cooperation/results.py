"""The result of a game: ``experiment_results.json``, and ``partial_results.json`` before the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harness.experiments.cooperation.rounds import PlayerDecision, Round, Strategy
from harness.model import Trial


class GameStatus(StrEnum):
    """The state of a game."""

    PARTIAL = "partial"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class GameResult:
    """The game of one trial. Times are UTC, ISO 8601; ``end_time`` is the time of writing.

    ``total_api_calls`` counts each call of the finished rounds once, regardless of which session paid for it;
    ``total_cost`` is their cost in US dollars, ``None`` with ``total_cost_reason`` if unknown. The trial's record has
    the total spent, rejected replies included. ``acausal_indicators`` is empty until they are computed.
    """

    experiment_id: str
    start_time: str
    end_time: str
    status: GameStatus
    total_rounds: int
    total_games: int
    total_api_calls: int
    total_cost: float | None
    total_cost_reason: str | None
    trial: str
    group: str
    rep: int
    round_summaries: Sequence[Mapping[str, Any]] = ()
    acausal_indicators: Mapping[str, Any] = field(default_factory=dict)


def totals(trial: Trial, rounds: Sequence[Round]) -> dict[str, Any]:
    """The fields of a `GameResult` that follow from the finished rounds."""
    strategies = [strategy for one in rounds for strategy in one.strategies]
    decisions = [one for played in rounds for game in played.games for one in game.decisions]
    cost, reason = cost_of([*strategies, *decisions])
    return {
        "total_rounds": len(rounds),
        "total_games": sum(len(one.games) for one in rounds),
        "total_api_calls": len(strategies) + len(decisions),
        "total_cost": cost,
        "total_cost_reason": reason,
        "trial": trial.id,
        "group": trial.cell.group,
        "rep": trial.cell.rep,
    }


def cost_of(parts: Iterable[Strategy | PlayerDecision]) -> tuple[float | None, str | None]:
    """The cost of all replies in US dollars; ``None`` with a reason if that of any is unknown."""
    bills = [one.bill for one in parts if one.bill is not None]
    unknown = [one for one in bills if one.cost is None]
    if unknown:
        return None, f"unknown for {len(unknown)} of {len(bills)} replies: {unknown[0].reason}"
    return sum(one.cost or 0.0 for one in bills), None
