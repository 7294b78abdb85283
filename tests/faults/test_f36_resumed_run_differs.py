"""F36: a resumed run differs from an uninterrupted one. Here its artifact is the same, byte for byte.

Cut off after every number of calls there is; with real processes in `tests/plugin/test_kills.py`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.plans import treatment

from harness.engines.embedded import EmbeddedEngine
from harness.gateway.calls import Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.model import TrialResult


class CutOff(RehearsalProvider):
    """Dies at a call, as a killed process does: nothing after it happens."""

    def __init__(self, after: int) -> None:
        super().__init__(7)
        self.left, self.sent = after, 0
        self.dead = asyncio.Event()

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.sent += 1
        if self.sent > self.left:
            self.dead.set()
            await asyncio.Event().wait()
        return await super().complete(request, trial=trial, occurrence=occurrence)


async def session(provider: CutOff, folder: Path) -> TrialResult | None:
    """The trial's result, or ``None`` when it was cut off."""
    plan = treatment()
    gateway = Gateway(provider, concurrency=4, journal=Journal(folder))
    trial = asyncio.ensure_future(EmbeddedEngine().run(plan, gateway.open_trial(plan.trial.id, "run")))
    dead = asyncio.ensure_future(provider.dead.wait())
    await asyncio.wait([trial, dead], return_when=asyncio.FIRST_COMPLETED)
    if provider.dead.is_set():
        trial.cancel()
    (result,) = await asyncio.gather(trial, return_exceptions=True)
    await gateway.aclose()
    return result if isinstance(result, TrialResult) else None


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialResult | None, int]:
    provider = CutOff(10**9)
    return asyncio.run(session(provider, tmp_path_factory.mktemp("undisturbed"))), provider.sent


def test_cut_off_anywhere_the_result_is_the_same(
    undisturbed: tuple[TrialResult | None, int], tmp_path: Path
) -> None:
    result, calls = undisturbed
    assert result is not None and calls > 30
    for after in range(0, calls, 2):
        folder = tmp_path / str(after)
        cut, resumed = CutOff(after), CutOff(10**9)
        assert asyncio.run(session(cut, folder)) is None
        assert asyncio.run(session(resumed, folder)) == result
        assert after + resumed.sent == calls  # what was answered is not sent again


def test_cut_off_again_and_again(undisturbed: tuple[TrialResult | None, int], tmp_path: Path) -> None:
    result, calls = undisturbed
    for _ in range(calls // 5):
        assert asyncio.run(session(CutOff(5), tmp_path)) is None
    last = CutOff(10**9)
    assert asyncio.run(session(last, tmp_path)) == result
    assert last.sent == calls % 5
