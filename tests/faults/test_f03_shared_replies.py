"""F03: one reply cache for both arms or all reps. Here a reply is one trial's, and one question's in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from support.requests import ask

from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.model import Cell, Trial

TRIALS = [
    Trial(Cell("exp_3", group, rep), panel, 0).id
    for group in ("Control", "Treatment")
    for rep in (1, 2, 3)
    for panel in (0, 1)
]
SAME = ask("You are Ada.", "Do you agree?")


class Numbered:
    """Never says the same twice."""

    name, model, asked = "numbered", "numbered-1", 0

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.asked += 1
        return Reply(f"{trial}: {self.asked}")

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        return []

    async def aclose(self) -> None: ...


async def session(provider: Numbered, folder: Path, run: str) -> list[str]:
    gateway = Gateway(provider, journal=Journal(folder))
    clients = [gateway.open_trial(trial, run) for trial in TRIALS]
    questions = [client.complete(SAME, CallSite("act")) for client in clients for _ in range(2)]
    replies = await asyncio.gather(*questions)
    await gateway.aclose()
    return [reply.text for reply in replies]


def test_the_same_words_in_every_arm_rep_and_panel_are_separate_samples_also_when_resumed(
    tmp_path: Path,
) -> None:
    provider = Numbered()
    first = asyncio.run(session(provider, tmp_path, "one"))
    assert len(set(first)) == provider.asked == 2 * len(TRIALS) == 24
    assert all(text.startswith(TRIALS[place // 2]) for place, text in enumerate(first))

    assert asyncio.run(session(provider, tmp_path, "one")) == first
    assert provider.asked == 24

    other = asyncio.run(session(provider, tmp_path, "two"))
    assert not set(other) & set(first)
