"""Players of the cooperation game as a test wants them, and games of a few of them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import ModelCallError
from harness.experiments.cooperation.data_manager import ERRORS
from harness.experiments.cooperation.experiment import cooperation_game
from harness.experiments.cooperation.game import CooperationGame
from harness.experiments.cooperation.rounds import Game, PlayerDecision, Round, Strategy
from harness.gateway.calls import CallSite, Reply, Request
from harness.model import Cell, Experiment, Trial, TrialFiles, TrialPlan

RUN = "20261120T205000-abcdef"
MOMENT = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
CASE = """
import pytest
from harness.experiments.cooperation.experiment import cooperation_game

game = cooperation_game({arguments})


@pytest.mark.experiment(game)
def test_cooperation(cell):
    cell.run()
"""

Answer = Callable[[Request], str | Exception]


def label(request: Request, *, cooperate: bool) -> str:
    """What an option is called in a decision's prompt: equal choices of 3 points are cooperation."""
    system = str(request.messages[0]["content"])
    (found,) = re.findall(r"You choose (\w+), the other \1: 3 points", system)
    names = set(re.findall(r"You choose (\w+), the other", system))
    return found if cooperate else (names - {found}).pop()


def is_decision(request: Request) -> bool:
    return "Answer with one word" in str(request.messages[-1]["content"])


def always(*, cooperate: bool) -> Answer:
    """A population of which all always do the same."""

    def answer(request: Request) -> str:
        return (
            label(request, cooperate=cooperate) if is_decision(request) else "I keep to what I have decided."
        )

    return answer


@dataclass
class Scripted:
    """The model ``scripted``: answers with what ``answer`` gives, or raises it."""

    answer: Answer
    requests: list[Request] = field(default_factory=list)
    name: str = "scripted"
    model: str = "scripted-1"

    def factory(
        self, argument: str, *, seed: int, base_url: str | None, environ: Mapping[str, str]
    ) -> Scripted:
        return self

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.requests.append(request)
        await asyncio.sleep(0)
        said = self.answer(request)
        if isinstance(said, Exception):
            raise said
        return Reply(said, model=self.model, tokens_in=10, tokens_out=1, cost=0.001)

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        raise ModelCallError("no embeddings")

    async def aclose(self) -> None:
        pass


class Client:
    """A `ModelClient` that answers in the same way."""

    token, base_url = "t", ""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.sites: list[CallSite] = []

    async def complete(
        self,
        request: Request,
        site: CallSite,
        *,
        max_rejections: int | None = None,
        max_replies: int | None = None,
    ) -> Reply:
        self.sites.append(site)
        await asyncio.sleep(0)
        said = self.answer(request)
        if isinstance(said, Exception):
            raise said
        return Reply(said, cost=0.001)

    def reject(self, reply: Reply, reason: str) -> None:
        raise AssertionError("nothing is asked again")


async def nobody() -> None:
    """Nobody asks over HTTP here."""


def plan_of(
    results: Path, experiment: Experiment, group: str = "baseline", *, rounds: int = 2, told: Any = None
) -> TrialPlan:
    """The first trial of ``group``, as a session plays it."""
    people = experiment.population
    assert isinstance(people, tuple)
    return TrialPlan(
        trial=Trial(Cell(experiment.name, group, 1), 0, 0),
        personas=people,
        script=experiment.script,
        proposal=experiment.script.proposals[0],
        steps=rounds,
        correction=None,
        interventions=(),
        metrics=experiment.metrics,
        seed=0,
        play=experiment.play,
        settings=experiment.settings,
        arm=experiment.group(group).settings,
        place=TrialFiles(results, RUN, told or (lambda _: None), nobody),
    )


def game_of(
    results: Path, answer: Answer, *, agents: int = 3, rounds: int = 2, group: str = "baseline", **more: Any
) -> tuple[CooperationGame, Client]:
    """A game that is ready to be played."""
    client = Client(answer)
    plan = plan_of(results, cooperation_game(agents, **more), group, rounds=rounds)
    return CooperationGame(plan, client, now=lambda: MOMENT), client


def played(results: Path, answer: Answer, **more: Any) -> tuple[CooperationGame, dict[str, Any]]:
    """A game that was played to its end, and its results."""
    game, _ = game_of(results, answer, **more)
    return game, asdict(asyncio.run(game.play()))


def errors_in(folder: Path) -> list[Any]:
    """The faults that a game logged; none without a log."""
    path = folder / ERRORS
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def load(path: Path) -> Any:
    return json.loads(path.read_bytes())


def made_round(
    number: int,
    choices: Sequence[tuple[Any, Any]],
    texts: Sequence[str | None],
    powers: Sequence[float] = (100.0, 100.0),
) -> Round:
    """A round of two agents, made up; ``choices`` of each of its games."""
    games = tuple(
        Game(
            0,
            1,
            (
                PlayerDecision(one, None if one else "failed"),
                PlayerDecision(other, None if other else "failed"),
            ),
            (powers[0], powers[1]),
            None,
            None,
        )
        for one, other in choices
    )
    strategies = tuple(Strategy(f"agent_{n}", text, text) for n, text in enumerate(texts))
    return Round(number, strategies, games, ("Player 1", "Player 2"), tuple(powers))
