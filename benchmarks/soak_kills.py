"""50 kills of a fast exp_3 run at seeded random moments, each resumed to its end, against an undisturbed run.

    python benchmarks/soak_kills.py [KILLS] [CONCURRENCY]

For every kill: requests in all must be at most those of the undisturbed run plus the calls in flight, and the
artifact the same, byte for byte. In flight are the requests that the endpoint had not answered when the process was
killed, and answers that were on their way; together never more than the concurrency.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.kills import CountingEndpoint, Sessions  # noqa: E402

SEED = 20251120


def main(kills: int = 50, concurrency: int = 16) -> None:
    options = (
        "-m",
        "experiment",
        "-k",
        "exp_3",
        "--mode=fast",
        "--count=1",
        f"--concurrency={concurrency}",
        "-q",
    )
    rng, repaid, faults = Random(SEED), [], 0
    with tempfile.TemporaryDirectory() as folder, CountingEndpoint(delay=0.01) as endpoint:
        sessions = Sessions(endpoint, ROOT, (str(ROOT / "tests" / "experiments"), *options))
        undisturbed, calls = sessions.finish(Path(folder, "undisturbed")), endpoint.count
        print(f"Undisturbed: {calls} requests. {kills} kills, {concurrency} calls in flight at most.")
        for number in range(kills):
            results, before = Path(folder, str(number)), endpoint.count
            moment = rng.randint(1, calls - 1)
            killed = sessions.kill_at(results, moment, later=rng.uniform(0, 0.02))
            if killed is None:
                sys.exit(f"Kill {number}: the session ended before request {moment}.")
            same = sessions.finish(results) == undisturbed
            more = endpoint.count - before - calls
            sound = same and 0 <= more <= concurrency
            faults += not sound
            repaid.append(more)
            print(
                f"kill {number:2d} at request {moment:4d}: {killed.in_flight:2d} unanswered, {more:2d} sent twice, "
                f"artifact {'the same' if same else 'DIFFERS'}{'' if sound else '  FAULT'}",
                flush=True,
            )
            shutil.rmtree(results)
    print(
        f"{kills - faults} of {kills} kills sound; sent twice: median {statistics.median(repaid)}, most {max(repaid)} "
        f"(limit {concurrency})."
    )
    sys.exit(faults > 0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
