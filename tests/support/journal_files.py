"""A journal with one call, as a run leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.gateway.calls import CallSite, Reply
from harness.gateway.journal.file import JournalFile
from harness.gateway.journal.replay import JournaledReply
from tests.support.records import SMALL, trials

ASKED = {
    "model": "m",
    "messages": [{"role": "user", "content": "Sell?"}],
    "temperature": 0.5,
    "tools": [{"name": "look"}],
}
AS_SENT = ASKED | {"messages": [{"role": "user", "content": "Sell? Answer in JSON."}]}


def stored(request: dict[str, Any]) -> str:
    parts = [
        request["messages"],
        request["model"],
        None,
        request["temperature"],
        None,
        {"tools": request["tools"]},
    ]
    return json.dumps(parts)


def write_journal(
    path: Path,
    text: str = "Hello",
    *,
    asked: str = "",
    sent: str = "",
    trial: str = "",
    limit: int | None = None,
) -> None:
    file = JournalFile(path)
    reply = Reply(
        text,
        model="m-1",
        fingerprint="fp",
        finish_reason="stop",
        tokens_in=5,
        tokens_out=2,
        cost=0.5,
        sent_digest="e" * 64 if sent else "",
        limit=limit,
    )
    site = CallSite("act", "Ada", 1, 0)
    file.write(
        [
            (
                trial or next(iter(trials(SMALL))).id,
                JournaledReply(site, "d" * 64, 0, 0, 1, reply, "accepted", "", "m", 1.5, 0.25),
                asked or stored(ASKED),
                sent,
            )
        ]
    )
    file.close()
