"""2,000 calls by the real SDK to an endpoint where nearly a third goes wrong: all answered, none twice, none lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from support.storm import Storm, play

from harness.gateway.calls import Reply
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.limits import Limits
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.retry import RetryPolicy

pytestmark = pytest.mark.slow

TRIALS, CALLS = 200, 10
TIMEOUT = 4.0


def gateway_to(url: str, folder: Path) -> Gateway:
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 200)

    return Gateway(
        OpenAICompatible("storm", base_url=url, api_key="any-key", timeout=TIMEOUT),
        concurrency=50,
        journal=Journal(folder),
        limits=Limits(),
        retry=RetryPolicy(rng=random.Random(1)),
        sleep=sleep,
    )


async def session(url: str, folder: Path) -> tuple[Mapping[str, Sequence[Reply]], int]:
    gateway = gateway_to(url, folder)
    try:
        return await play(gateway, TRIALS, CALLS), gateway.calls
    finally:
        await gateway.aclose()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_two_thousand_calls_through_a_storm(tmp_path: Path) -> None:
    storm = Storm(3, retry_after="0.005", stall=3 * TIMEOUT)
    with storm.endpoint() as endpoint:
        replies, calls = asyncio.run(session(endpoint.url, tmp_path))
        for name, answered in replies.items():
            wanted = [{"answer": f"{name}, {number}"} for number in range(CALLS)]
            assert [reply.data for reply in answered] == wanted
        assert calls == len(endpoint.requests) > 1.35 * TRIALS * CALLS
        assert set(storm.good_answers(endpoint).values()) == {1}
        assert sum(storm.good_answers(endpoint).values()) == TRIALS * CALLS

        again, more = asyncio.run(session(endpoint.url, tmp_path))
        assert (more, len(endpoint.requests)) == (0, calls)
        assert {name: [reply.data for reply in one] for name, one in again.items()} == {
            name: [reply.data for reply in one] for name, one in replies.items()
        }
    shares = storm.shares
    for kind, share in {"429": 20, "500": 5, "cut": 2, "body": 1.5, "answer": 1.5, "stall": 1}.items():
        assert shares[kind] == pytest.approx(share, rel=0.5)
