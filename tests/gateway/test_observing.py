"""Who observes calls is told of every attempt, and can never change a run."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from support.requests import ask

from harness.errors import ModelCallError
from harness.gateway.call_observers import CallRecord
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.rehearsal.provider import RehearsalProvider

SITE = CallSite("act", "Ada", 2)


class Noting:
    def __init__(self) -> None:
        self.calls: list[CallRecord] = []

    def on_call(self, call: CallRecord) -> None:
        self.calls.append(call)


class Broken:
    told = 0

    def on_call(self, call: CallRecord) -> None:
        Broken.told += 1
        raise RuntimeError(f"with a prompt in it: {call.request.messages}")


class Stumbling(RehearsalProvider):
    """Fails on its way, then says nothing, then answers."""

    asked = 0

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.asked += 1
        if self.asked == 1:
            raise ModelCallError("busy", retry_after=1.0)
        return Reply("" if self.asked == 2 else "ok", model="m")


async def no_sleep(_: float) -> None: ...


def session(folder: Path, *observers: object) -> Reply:
    async def main() -> Reply:
        ticks = iter(range(100))
        gateway = Gateway(
            Stumbling(0),
            journal=Journal(folder),
            observers=observers,  # type: ignore[arg-type]
            sleep=no_sleep,
            wall=lambda: 1e9,
            clock=lambda: float(next(ticks)),
        )
        reply = await gateway.open_trial("t", "run").complete(ask("secret words"), SITE)
        await gateway.aclose()
        return reply

    return asyncio.run(main())


def test_every_attempt_is_told_with_its_outcome(tmp_path: Path) -> None:
    observer = Noting()
    session(tmp_path, observer)
    said = [
        (call.attempt, call.reply and call.reply.text, str(call.error or "")[:22]) for call in observer.calls
    ]
    assert said == [(0, None, "busy"), (1, "", "Call 'act' of t: no ac"), (2, "ok", "")]
    call = observer.calls[-1]
    assert (call.trial, call.run_id, call.site, call.replayed, call.started) == ("t", "run", SITE, False, 1e9)
    assert call.request.model == "rehearsal-1" and call.seconds > 0

    session(tmp_path, again := Noting())
    assert [(call.replayed, call.reply and call.reply.text) for call in again.calls] == [
        (True, ""),
        (True, "ok"),
    ]


def test_an_observer_that_fails_is_left_out_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    observer = Noting()
    with caplog.at_level(logging.WARNING, "harness"):
        assert session(tmp_path, Broken(), observer).text == "ok"
    assert (Broken.told, len(observer.calls)) == (1, 3)
    assert [record.getMessage() for record in caplog.records] == [
        "The observer Broken failed with RuntimeError: it gets no more events. The run continues."
    ]
