"""One trial: rounds in which every agent plays every other. Raw results are on disk before anything is computed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from harness.console import logger
from harness.errors import HarnessError, ModelCallError, SessionLimitError, StoppedError
from harness.experiments.cooperation.agent_requests import Asker, together
from harness.experiments.cooperation.data_manager import DataManager
from harness.experiments.cooperation.indicators import indicators
from harness.experiments.cooperation.prompts import (
    PastRound,
    all_told,
    decision_message,
    strategy_message,
    system_message,
)
from harness.experiments.cooperation.rates import percent
from harness.experiments.cooperation.results import GameResult, GameStatus, totals
from harness.experiments.cooperation.rounds import (
    Game,
    PlayerDecision,
    Round,
    Strategy,
    cooperation,
    games_data,
    strategies_data,
    summarised,
)
from harness.experiments.cooperation.rules import GameRules
from harness.experiments.cooperation.society import Society
from harness.gateway.calls import CallSite, Message, ModelClient
from harness.model import TrialFiles, TrialPlan

log = logger()

OUTAGE = 0.5
"""Share of failed calls in a round above which the model has an outage and the trial fails."""
INTERRUPTIONS = (StoppedError, SessionLimitError, asyncio.CancelledError, KeyboardInterrupt)
"""These end a game that did not fail; rerun to resume."""
LOOK_BACK = 3
"""Rounds whose mean duration gives the estimated time left."""


class CooperationGame:
    """One trial. Call `play` once; ``rounds`` are the finished ones."""

    def __init__(
        self,
        plan: TrialPlan,
        client: ModelClient,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if plan.place is None:
            raise HarnessError(
                f"{plan.trial.id}: the plan has no folder for files; expected the plan of a session."
            )
        self.plan, self.place, self.rules = plan, plan.place, GameRules.of(plan.settings)
        self.society = Society.of(plan)
        self.files = _files(plan, plan.place, now)
        self.rounds: list[Round] = []
        self.summaries: list[dict[str, Any]] = []
        self.powers = self.rules.starting(len(self.society.agents))
        self._asker = Asker(client, plan.temperature)
        self._clock = clock
        self._seconds: deque[float] = deque(maxlen=LOOK_BACK)

    async def play(self) -> GameResult:
        """Run all rounds, then the analysis; returns the content of ``experiment_results.json``.

        Finished rounds and the status are on disk however it ends. Raises the error that ended it.
        """
        try:
            for number in range(1, self.society.rounds + 1):
                began = self._clock()
                await self._round(number)
                self._seconds.append(self._clock() - began)
                self._report_progress()
        except BaseException as error:
            self._end_early(
                GameStatus.INTERRUPTED if isinstance(error, INTERRUPTIONS) else GameStatus.FAILED, error
            )
            raise
        return await asyncio.to_thread(self._conclude)

    # A round

    async def _round(self, number: int) -> None:
        lost, missed = await asyncio.to_thread(self.files.failed_calls, number)
        strategies = await together(
            self._strategy(agent, number, lost.get(name)) for agent, name in enumerate(self.society.agents)
        )
        await asyncio.to_thread(self.files.save_strategies, number, strategies_data(strategies, number))
        decisions = await self._decisions(number, strategies, missed)
        self._check_outage(number, decisions.values())
        games = tuple(self._game(pair, decisions) for pair in self.society.pairs)
        ids = tuple(self.society.ids(number))
        played = Round(number, tuple(strategies), games, ids, tuple(self.powers))
        await asyncio.to_thread(self._keep, played)
        self.rounds.append(played)
        self.powers = self.rules.updated(self.powers, played.mean_points())

    async def _strategy(self, agent: int, number: int, known: str | None) -> Strategy:
        options = self.society.options(agent, number)
        past = [_past(one, agent) for one in self.rounds]
        messages = (self._system(agent, number), strategy_message(number, self.society.rounds, options, past))
        return await self._asker.strategy(self.society.agents[agent], number, messages, options, known)

    async def _decisions(
        self, number: int, strategies: Sequence[Strategy], missed: Mapping[tuple[str, str], str]
    ) -> dict[tuple[int, int], PlayerDecision]:
        """All decisions of a round, simultaneous and independent."""
        sides = [side for pair in self.society.pairs for side in (pair, pair[::-1])]
        names, ids = self.society.agents, self.society.ids(number)

        def ask(agent: int, opponent: int) -> Coroutine[Any, Any, PlayerDecision]:
            options = self.society.options(agent, number)
            asked = decision_message(
                number,
                self.society.rounds,
                options,
                strategies[agent].text,
                ids[opponent],
                self.powers[agent],
                self.powers[opponent],
            )
            site = CallSite("decision", names[agent], number, opponent)
            known = missed.get((names[agent], names[opponent]))
            return self._asker.decision(site, (self._system(agent, number), asked), options, known)

        made = await together(ask(agent, opponent) for agent, opponent in sides)
        return dict(zip(sides, made, strict=True))

    def _system(self, agent: int, number: int) -> Message:
        options, size = self.society.options(agent, number), len(self.society.agents)
        return system_message(self.rules, size, self.society.rounds, options, self.plan.arm["told"])

    def _game(self, pair: tuple[int, int], decisions: Mapping[tuple[int, int], PlayerDecision]) -> Game:
        first, second = pair
        both = (decisions[first, second], decisions[second, first])
        powers = (self.powers[first], self.powers[second])
        one, other = both[0].choice, both[1].choice
        if one is None or other is None:
            return Game(first, second, both, powers, None, None)
        points = (self.rules.points(one, other), self.rules.points(other, one))
        scores = (self.rules.score(one, other, *powers), self.rules.score(other, one, *powers[::-1]))
        return Game(first, second, both, powers, points, scores)

    def _check_outage(self, number: int, decisions: Iterable[PlayerDecision]) -> None:
        failed = [one.reason for one in decisions if one.missing == "failed"]
        if len(failed) > OUTAGE * 2 * len(self.society.pairs):
            raise ModelCallError(
                f"{self.plan.trial.id}: {len(failed)} of {2 * len(self.society.pairs)} decisions of round {number} "
                f"failed, which is an outage of the model; the last error: {failed[-1]}"
            )

    def _keep(self, played: Round) -> None:
        """Save raw results first, then the summary; if that fails, nothing is lost."""
        number, agents = played.number, self.society.agents
        self.files.save_games(number, games_data(number, played.games, agents))
        self.files.save_ids(number, agents, played.ids)
        self._log_missing(played)
        try:
            summary = asdict(summarised(played))
        except Exception as error:
            self.files.log_error(f"summary of round {number}", error, round=number)
            summary = {
                "round": number,
                "problem": f"could not be computed: {type(error).__name__}: {error}",
            }
        self.summaries.append(summary)
        self.files.save_summary(number, summary)
        self.files.save_partial(self._result(GameStatus.PARTIAL, [*self.rounds, played]))

    def _log_missing(self, played: Round) -> None:
        self.files.log_errors(
            [
                *(
                    {
                        "what": f"strategy {one.missing}",
                        "round": played.number,
                        "agent": one.agent,
                        "error": one.reason,
                    }
                    for one in played.strategies
                    if one.text is None
                ),
                *(line for game in played.games for line in self._missing(played.number, game)),
            ]
        )

    def _missing(self, number: int, game: Game) -> Iterable[dict[str, Any]]:
        names = (self.society.agents[game.first], self.society.agents[game.second])
        for agent, opponent, one in zip(names, names[::-1], game.decisions, strict=True):
            if one.missing is not None:
                where = {"round": number, "agent": agent, "opponent": opponent}
                yield {"what": f"decision {one.missing}", **where, "error": one.reason, "reply": one.reply}

    # The end

    def _conclude(self) -> GameResult:
        whole = self._result(GameStatus.COMPLETE, self.rounds)
        self.files.save_results(whole)
        given = all_told(self.rules, [*self.plan.settings["conditions"].values(), self.plan.arm["told"]])
        found = indicators(self.rounds, given, self.files.log_error)
        whole = replace(whole, acausal_indicators=found)
        self.files.save_results(whole)
        self.files.save_partial(whole)
        return whole

    def _end_early(self, status: GameStatus, error: BaseException) -> None:
        """Save how the game ended. A failure to do so is only logged, so that the original error is raised."""
        try:
            if status is GameStatus.FAILED:
                self.files.log_error("trial", error, round=len(self.rounds) + 1)
            self.files.save_partial(self._result(status, self.rounds))
        except HarnessError as fault:
            log.error("%s: %s", self.plan.trial.id, fault)

    def _result(self, status: GameStatus, rounds: Sequence[Round]) -> GameResult:
        summaries = self.summaries[: len(rounds)]
        parts = {**self.files.identity, **totals(self.plan.trial, rounds)}
        return GameResult(status=status, round_summaries=summaries, **parts)

    def _report_progress(self) -> None:
        """Report rounds, games, cooperation, scores and the time left."""
        text = progress_line(self.rounds, self.society.rounds, len(self.society.pairs), self._seconds)
        self.place.tell(text)
        log.info("%s: %s", self.plan.trial.id, text.replace("\n", ". "))


def progress_line(rounds: Sequence[Round], planned: int, games: int, seconds: Sequence[float]) -> str:
    """The progress of a game in two short lines. ``seconds`` are the durations of the last rounds; their mean gives
    the time left."""
    done, last = len(rounds), rounds[-1]
    events, of = cooperation(last.sides())
    minutes = (planned - done) * fmean(seconds) / 60
    left = f"{minutes:.0f} minutes" if minutes >= 1.5 else f"{60 * minutes:.0f} seconds"
    return (
        f"round {done}/{planned}, games {done * games}/{planned * games}, "
        f"cooperation {percent(events, of, counts=False)}\n"
        f"Mean score {fmean(last.scores()):.1f}. Estimated time remaining: {left}"
    )


def _past(played: Round, agent: int) -> PastRound:
    mine = played.sides(agent)
    towards = [side.other for side in mine if side.other is not None]
    scores = played.scores()
    return PastRound(
        played.number,
        cooperation(mine),
        (towards.count("C"), len(towards)),
        cooperation(played.sides()),
        scores[agent],
        fmean(scores),
    )


def _files(plan: TrialPlan, place: TrialFiles, now: Callable[[], datetime]) -> DataManager:
    configuration = {
        "settings": dict(plan.settings),
        "arm": dict(plan.arm),
        "agents": [person.name for person in plan.personas],
        "rounds": plan.steps,
        "seed": plan.seed,
        "temperature": plan.temperature,
    }
    return DataManager.open(place.results, place.run_id, plan.trial.id, configuration, now)
