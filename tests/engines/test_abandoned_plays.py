"""The engine of plays, with a play that ignores its cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.engines import play as engine
from harness.engines.play import OwnPlay
from harness.errors import StoppedError
from harness.gateway.calls import CallSite, Request
from harness.model import Cell, Play, Script, Trial, TrialPlan
from harness.user_code import UserCodeError
from tests.support.clients import FakeClient


def test_nothing_is_sent_for_a_play_that_was_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CANCEL_SECONDS", 0.01)
    client, refused = FakeClient(), list[str]()

    async def run() -> None:
        left, done = asyncio.Event(), asyncio.Event()

        async def stubborn(plan: TrialPlan, client: Any) -> None:
            while not left.is_set():
                try:
                    await left.wait()
                except asyncio.CancelledError:
                    continue
            try:
                await client.complete(Request(()), CallSite("late"))
            except StoppedError as error:
                refused.append(str(error))
            done.set()

        trial = Trial(Cell("e", "g", 1), 0, 0)
        plan = TrialPlan(trial, (), Script(""), {}, 1, None, (), (), 0, play=Play(stubborn))
        with pytest.raises(
            UserCodeError, match=r"ran for 0.01 s .* and ignored its cancellation: .*stubborn"
        ):
            await OwnPlay(0.01).run(plan, client)
        left.set()
        await done.wait()

    asyncio.run(run())
    assert not client.calls and refused == ["The trial has ended: nothing more is sent for it."]
