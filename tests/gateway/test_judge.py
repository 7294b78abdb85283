"""The judge apart from the player: who is asked what, in this process and over HTTP, and what is paid for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from urllib.request import Request as Post
from urllib.request import urlopen

import pytest
from support.requests import SCORE, ask

from harness.errors import BudgetExhaustedError
from harness.gateway.budget import Budget
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.prices import Price, charged
from harness.plugin.limits import make_budget
from harness.runtime.settings import Settings

SCORED = '{"reasoning": "r", "justification": "j", "value": 7}'
MEASURES = ("classify", "extract", "score", "score_panel", "score_person")
PLAYING = (
    "act",
    "regenerate",
    "quality_check",
    "intervention_check",
    "combine",
    "consolidate",
    "minibio",
    "other",
)


class Model:
    def __init__(self, name: str, text: str = SCORED) -> None:
        self.name = self.model = name
        self.text, self.closed = text, False
        self.asked: list[Request] = []

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.asked.append(request)
        return Reply(self.text, model=self.name, tokens_in=1_000_000, tokens_out=0)

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        return [[0.0] for _ in texts]

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("kind", [*MEASURES, *PLAYING])
def test_outcomes_go_to_the_judge_and_what_steers_the_play_does_not(kind: str) -> None:
    player, judge = Model("player"), Model("judge")
    gateway = Gateway(player, roles={"judge": judge})
    reply = asyncio.run(gateway.open_trial("t").complete(ask("x", response_format=SCORE), CallSite(kind)))
    asked, other = (judge, player) if kind in MEASURES else (player, judge)
    assert reply.model == asked.name and not other.asked
    assert asked.asked[0].model == asked.name


def test_without_a_judge_the_player_answers_all() -> None:
    player = Model("player")
    gateway = Gateway(player)
    asyncio.run(gateway.open_trial("t").complete(ask("x", response_format=SCORE), CallSite("score_person")))
    assert [request.model for request in player.asked] == ["player"]


def test_each_is_charged_by_its_own_price_and_both_are_in_the_usage() -> None:
    prices = {"player": Price(1.0, 0.0), "judge": Price(10.0, 0.0)}
    gateway = Gateway(
        Model("player"),
        roles={"judge": Model("judge")},
        price=lambda reply, asked: charged(reply, asked, prices),
    )
    client = gateway.open_trial("t")

    async def main() -> None:
        for kind in ("act", "act", "score_panel"):
            await client.complete(ask("x", response_format=SCORE), CallSite(kind))
        await gateway.aclose()

    asyncio.run(main())
    assert client.usage().cost == pytest.approx(12.0)
    assert [(one.model, one.replies) for one in client.usage().models] == [("judge", 1), ("player", 2)]
    assert isinstance(judge := gateway.models.roles["judge"], Model) and judge.closed


def test_one_budget_holds_for_both() -> None:
    providers = [Model("player"), Model("judge")]
    overrides = {"player": Price(0.0, 0.0), "judge": Price(10.0, 0.0)}
    budget = make_budget(Settings(max_cost=0.000001), providers, overrides)
    assert isinstance(budget, Budget)
    client = Gateway(providers[0], roles={"judge": providers[1]}, budget=budget).open_trial("t")
    asyncio.run(client.complete(ask("x", response_format=SCORE), CallSite("act")))
    with pytest.raises(BudgetExhaustedError):
        asyncio.run(client.complete(ask("x", response_format=SCORE), CallSite("score_person")))


def test_a_cost_limit_needs_the_prices_of_both() -> None:
    from harness.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="No price is known for the model 'judge'"):
        make_budget(Settings(max_cost=1.0), [Model("player"), Model("judge")], {"player": Price(1.0, 1.0)})


def test_calls_over_http_are_told_apart_by_what_they_ask() -> None:
    player, judge = Model("player", "Something is said."), Model("judge", '{"ideas": []}')

    def post(url: str, token: str, text: str) -> str:
        body = {"model": "whatever", "messages": [{"role": "system", "content": text}]}
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with urlopen(Post(f"{url}/chat/completions", json.dumps(body).encode(), headers)) as answer:
            return str(json.load(answer)["model"])

    async def main() -> list[str]:
        gateway = Gateway(player, roles={"judge": judge})
        url = await gateway.start_server()
        client = gateway.open_trial("t")
        texts = ("Extraction objective: all ideas", "Short biography of somebody")
        models = [await asyncio.to_thread(post, url, client.token, text) for text in texts]
        await gateway.aclose()
        return models

    assert asyncio.run(main()) == ["judge", "player"]
