"""What a game came to: ``experiment_results.json``, and on the way there ``partial_results.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harness.experiments.cooperation.rounds import PlayerDecision, Round, Strategy
from harness.model import Trial


class GameStatus(StrEnum):
    """How far a game is, or how it ended."""

    PARTIAL = "partial"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class GameResult:
    """One trial's game. Times are UTC, ISO 8601; ``end_time`` is when this was written.

    ``total_api_calls`` counts the calls that the finished rounds are made of, once each, whatever session paid for
    them; ``total_cost`` is what their replies cost in US dollars, ``None`` with ``total_cost_reason`` where that is not
    known. What was paid in all, replies of no use included, stands in the trial's record. ``acausal_indicators`` is
    empty until they are computed.
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
    """The part of an `GameResult` that follows from the rounds that were finished."""
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
    """Dollars for all replies; ``None`` with the reason where that of any is not known."""
    bills = [one.bill for one in parts if one.bill is not None]
    unknown = [one for one in bills if one.cost is None]
    if unknown:
        return None, f"of {len(unknown)} of {len(bills)} replies it is not known: {unknown[0].reason}"
    return sum(one.cost or 0.0 for one in bills), None
