"""2,000 calls through the gateway, by the real SDK, to an endpoint where nearly a third goes wrong, with real waits.

    python benchmarks/fault_soak.py [--trials 200] [--calls 10] [--timeout 30] [--retry-after 1] [--concurrency 50]

20 % of all requests are answered 429 with Retry-After, 5 % 500, 2 % cut half way, 3 % malformed, and 1 % stall past
the time-out. Every trial must end with all its answers, each its own, and no call is made again once it was answered
well; a second session with the same journal sends nothing. The exit code is 1 where that fails.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.limits import Limits
from harness.gateway.providers.openai_compatible import OpenAICompatible
from tests.support.storm import Storm, play


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--calls", type=int, default=10, help="calls of each trial, one after another")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds; the provider's own is 120")
    parser.add_argument("--retry-after", type=float, default=1.0, help="seconds that a 429 asks for")
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    storm = Storm(options.seed, retry_after=f"{options.retry_after:g}", stall=options.timeout * 1.2)
    with storm.endpoint() as endpoint, tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        answered, twice = asyncio.run(soak(options, endpoint.url, Path(folder)))
        seconds = time.perf_counter() - began
    good = storm.good_answers(endpoint)
    wanted = options.trials * options.calls
    print(f"{len(endpoint.requests):,} requests in {seconds:.0f} s; per cent: {dict(storm.shares)}")
    print(f"answered as asked: {answered:,} of {wanted:,}")
    print(
        f"good answers: {sum(good.values()):,}; more than one for a call: {sum(n > 1 for n in good.values())}"
    )
    print(f"sent again by a second session with the same journal: {twice}")
    return int(answered != wanted or set(good.values()) != {1} or twice != 0)


async def soak(options: argparse.Namespace, url: str, folder: Path) -> tuple[int, int]:
    """How many answers were the right ones, and how many calls a second session sent."""
    right: Counter[int] = Counter()
    for session in range(2):
        gateway = Gateway(
            OpenAICompatible("storm", base_url=url, api_key="any-key", timeout=options.timeout),
            concurrency=options.concurrency,
            journal=Journal(folder),
            limits=Limits(),
        )
        replies = await play(gateway, options.trials, options.calls)
        for name, each in replies.items():
            right[session] += sum(
                reply.data == {"answer": f"{name}, {number}"} for number, reply in enumerate(each)
            )
        sent = gateway.calls
        await gateway.aclose()
    return min(right.values()), sent


if __name__ == "__main__":
    sys.exit(main())
