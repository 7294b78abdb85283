"""F06: no wall clock in prompts. A trial asks the same on any day, and never looks at the time."""

from __future__ import annotations

import asyncio
import datetime
import re
import time
from typing import Any, NoReturn

import pytest
from support.clients import FakeClient
from support.plans import treatment

from harness.engines.embedded import EmbeddedEngine


class _Forbidden(datetime.datetime):
    @classmethod
    def now(cls, *_: Any) -> NoReturn:  # type: ignore[override]
        raise AssertionError("the engine looked at the time")

    utcnow = today = now  # type: ignore[assignment]


def _asked() -> list[Any]:
    client = FakeClient()
    asyncio.run(EmbeddedEngine().run(treatment(steps=4), client))
    assert client.counts["intervention_check"], "the trial must ask every kind of question"
    return [(site, list(request.messages)) for request, site in client.calls]


def test_prompts_are_equal_on_any_day(monkeypatch: pytest.MonkeyPatch) -> None:
    today = _asked()
    for function in ("time", "time_ns", "localtime", "gmtime", "strftime", "ctime"):
        monkeypatch.setattr(time, function, _look)
    monkeypatch.setattr(datetime, "datetime", _Forbidden)
    assert _asked() == today


def _look(*_: Any) -> NoReturn:
    raise AssertionError("the engine looked at the time")


def test_no_date_or_time_stands_in_any_prompt() -> None:
    dated = re.compile(r"\b(19|20)\d\d\b|\b\d{1,2}:\d\d\b")
    assert not [site for site, messages in _asked() if dated.search(str(messages))]
