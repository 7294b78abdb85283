"""Ten thousand requests of every kind at the gateway's HTTP face: it must answer on, and hold no more than before.

    python benchmarks/fuzz_face.py [--requests 10000] [--seed 1]

Methods, paths, tokens, headers, lengths and bodies are drawn by hypothesis, sane ones among them, with a new trial (and
token) every 500 requests. Each answer must be one of the statuses that the face has (never 500), and must not show the
token; afterwards a sane request must be served, and asyncio tasks, file descriptors, open trials and threads must be
as many as before. Memory is compared between the end of the first fifth, when all caches are warm, and the end: the
limit is 20 MB. Prints the statuses and the figures; the exit code is 1 if a limit was broken.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from hypothesis import HealthCheck, given, seed, settings  # noqa: E402
from support.fuzz import FuzzedFace, Sent, requests, resident  # noqa: E402

MEGABYTE = 1 << 20
MOST_GROWTH = 20 * MEGABYTE
PER_TRIAL = 500


def fuzz(face: FuzzedFace, number: int, start: int) -> None:
    """Send ``number`` requests drawn with the seed ``start``."""

    @seed(start)
    @settings(max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(requests)
    def send(request: Sent) -> None:
        face.check(request)

    send()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (default: 1)")
    options = parser.parse_args()
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    rounds = max(options.requests // PER_TRIAL, 5)
    with FuzzedFace() as face:
        assert face.is_well()
        before, warm, began = face.held(), 0, time.perf_counter()
        for number in range(rounds):
            fuzz(face, PER_TRIAL, options.seed * 1000 + number)
            face.renew()
            if number == rounds // 5:
                warm = resident()
        seconds = time.perf_counter() - began
        after, grown = face.held(), resident() - warm
        well = face.is_well()
    sent = sum(face.statuses.values())
    print(
        f"{sent:,} requests in {seconds:.0f} s: "
        + ", ".join(f"{n} × {s or 'closed'}" for s, n in face.statuses.most_common())
    )
    print(f"held before {before}")
    print(f"held after  {after}")
    print(f"memory grown by {grown / MEGABYTE:.1f} MB after warming up (limit {MOST_GROWTH // MEGABYTE} MB)")
    print("a sane request is served" if well else "a sane request is NOT served")
    sys.exit(0 if well and after == before and grown <= MOST_GROWTH else 1)


if __name__ == "__main__":
    main()
