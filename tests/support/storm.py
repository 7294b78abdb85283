"""An endpoint on which a third of all calls go wrong, in seeded order, and callers that want every answer.

For the test of 2,000 calls in seconds, and for the benchmark with real waits.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from tests.support.endpoint import FakeEndpoint, Fault

JSON = {"type": "json_object"}


class Storm:
    """Says which request fails how: 20 % 429 with Retry-After, 5 % 500, 2 % cut, 3 % malformed, 1 % stalled.

    Half of the malformed ones have a body that is no JSON, half an answer that is none. ``happened`` counts what
    there was, by the number of the request.
    """

    def __init__(self, seed: int, *, retry_after: str, stall: float) -> None:
        self._rng, self._retry_after, self._stall = random.Random(seed), retry_after, stall
        self.happened: dict[int, str] = {}

    def fault(self, number: int) -> Fault | None:
        share = self._rng.random()
        kinds = (
            ("429", 0.20),
            ("500", 0.25),
            ("cut", 0.27),
            ("body", 0.285),
            ("answer", 0.30),
            ("stall", 0.31),
        )
        kind = next((kind for kind, below in kinds if share < below), "good")
        self.happened[number] = kind
        return {
            "429": Fault(429, "slow down", headers={"retry-after": self._retry_after}),
            "500": Fault(500, "it broke"),
            "cut": Fault(cut=True),
            "body": Fault(200, body='{"id": "x", "choices": [{'),
            "stall": Fault(504, "too late", delay=self._stall),
        }.get(kind)

    def message(self, body: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        asked = body["messages"][0]["content"]
        return {"content": '{"answer": ' if self.happened[number] == "answer" else f'{{"answer": "{asked}"}}'}

    @property
    def shares(self) -> Mapping[str, float]:
        """Per cent of all requests, by what happened."""
        counts = Counter(self.happened.values())
        return {kind: round(100 * count / len(self.happened), 1) for kind, count in sorted(counts.items())}

    def endpoint(self) -> FakeEndpoint:
        return FakeEndpoint(self.fault, self.message)

    def good_answers(self, endpoint: FakeEndpoint) -> Counter[str]:
        """How often each prompt was answered well."""
        return Counter(
            seen.body["messages"][0]["content"]
            for number, seen in enumerate(endpoint.requests)
            if self.happened[number] == "good"
        )


async def play(
    gateway: Gateway,
    trials: int,
    calls: int,
    *,
    run_id: str = "storm",
    note: Callable[[], None] = lambda: None,
) -> Mapping[str, Sequence[Reply]]:
    """Play ``trials`` at once, each with ``calls`` in turn; the replies of each trial, in order."""

    async def trial(name: str) -> Sequence[Reply]:
        client = gateway.open_trial(name, run_id)
        replies = []
        for number in range(calls):
            request = Request([{"role": "user", "content": f"{name}, {number}"}], response_format=JSON)
            replies.append(await client.complete(request, CallSite("ask", step=number)))
            note()
        gateway.close_trial(client)
        return replies

    names = [f"trial {number}" for number in range(trials)]
    return dict(zip(names, await asyncio.gather(*map(trial, names)), strict=True))
