"""What an engine rejected, over a cut: none is heard again, and no more are asked for than without a cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.engines.embedded.model_requests import NoUsableReply, Unusable, ask
from harness.gateway.calls import CallSite, ModelClient, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal

SITE = CallSite("extract", "Ada", 1)
SCHEMA = {"type": "json_object"}


class Scripted:
    """Answers with the draw's own value, whenever it is asked; what is below 5 is of no use."""

    name, model = "scripted", "scripted-1"

    def __init__(self, values: Sequence[int]) -> None:
        self.values, self.drawn = values, list[int]()

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        draw = occurrence >> 16 & 0xFFFF
        self.drawn.append(draw)
        return Reply(f'{{"value": {self.values[draw]}}}')

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        raise NotImplementedError

    async def aclose(self) -> None: ...


class Cut:
    """A client whose session ends right after so many rejections."""

    def __init__(self, client: Any, rejections: int) -> None:
        self._client, self._left = client, rejections
        self.heard: list[str] = []

    async def complete(self, request: Request, site: CallSite, **more: Any) -> Reply:
        if self._left == 0:
            raise asyncio.CancelledError
        reply: Reply = await self._client.complete(request, site, **more)
        self.heard.append(reply.text)
        return reply

    def reject(self, reply: Reply, reason: str) -> None:
        self._client.reject(reply, reason)
        self._left -= 1


def useful(data: Any) -> int:
    if data["value"] < 5:
        raise Unusable(f"{data['value']} is too small.")
    return int(data["value"])


async def session(
    folder: Path, provider: Scripted, asks: int, *, rejections: int = -1, attempt: int = 1
) -> tuple[Any, list[str]]:
    """What comes of one question in a session that ends after so many rejections, and the replies heard."""
    gateway = Gateway(provider, journal=Journal(folder))
    client: Any = Cut(gateway.open_trial("t", "run", attempt), rejections)
    asked: ModelClient = client
    try:
        messages = [{"role": "user", "content": "x"}]
        return await ask(asked, messages, SCHEMA, SITE, useful, max_rejections=asks), client.heard
    except NoUsableReply as fault:
        return str(fault), client.heard
    except asyncio.CancelledError:
        return None, client.heard
    finally:
        await gateway.aclose()


CASES = [
    ((1, 7), 3),
    ((1, 2, 7), 3),
    ((1, 2, 3, 7), 3),  # in vain: the fourth would do, but is one too many
    ((1, 7), 1),
]


@pytest.mark.parametrize(("values", "asks"), CASES)
@pytest.mark.parametrize("cuts", [(1,), (1, 1), (2,), (3,)])
def test_a_resumed_trial_draws_what_an_undisturbed_one_draws(
    tmp_path: Path, values: Sequence[int], asks: int, cuts: Sequence[int]
) -> None:
    whole = Scripted(values)
    expected, _ = asyncio.run(session(tmp_path / "whole", whole, asks))
    disturbed = Scripted(values)
    said: list[str] = []
    for cut in (*cuts, -1):
        outcome, heard = asyncio.run(session(tmp_path / "cut", disturbed, asks, rejections=cut))
        said += heard
    assert outcome == expected
    assert disturbed.drawn == whole.drawn
    assert said.count('{"value": 7}') <= 1 + len(cuts)
    assert {said.count(text) for text in said if "7" not in text} == {1}, "a rejected reply was replayed"


def test_the_next_try_of_a_failed_trial_may_ask_as_often_again(tmp_path: Path) -> None:
    provider = Scripted((1, 2, 3, 7))
    first, _ = asyncio.run(session(tmp_path, provider, 3))
    assert first == "extract of Ada at step 1: 3 is too small. Asked 3 time(s)."
    assert asyncio.run(session(tmp_path, provider, 3, attempt=2)) == (7, ['{"value": 7}'])
    assert provider.drawn == [0, 1, 2, 3]
