"""50 kills of a run at seeded random moments, each resumed to its end, against an undisturbed run.

    python benchmarks/soak_kills.py [--kills 50] [--concurrency 16] [-n 2] [--engine tinytroupe] [--experiment whole]

The run is a fast exp_3, or with ``--experiment whole`` a small one with everything that a trial may have, which suits
the real TinyTroupe (``TINYTROUPE_REPO_DIR``). Killed with SIGKILL are the session and all its worker processes; every
second time the session alone, and then its workers have to end by themselves.

For every kill: requests in all must be at most those of the undisturbed run plus the calls in flight, the artifact the
same, byte for byte, and no process left. In flight are the requests that the endpoint had not answered when the session
was killed, and answers that were on their way to the disk; together never more than the concurrency.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.kills import WHOLE, CountingEndpoint, Sessions  # noqa: E402

SEED = 20251120


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--engine", default="embedded", choices=["embedded", "tinytroupe"])
    parser.add_argument("--experiment", default="exp_3", choices=["exp_3", "whole"])
    parser.add_argument("-n", type=int, default=0, help="workers of xdist")
    return parser.parse_args()


def options_of(asked: argparse.Namespace, folder: Path) -> list[str]:
    """The session's options; the small experiment is put into ``folder``."""
    cases = [str(ROOT / "tests" / "experiments"), "-k", "exp_3", "--mode=fast"]
    if asked.experiment == "whole":
        cases = [str(folder / "test_whole.py")]
        Path(cases[0]).write_text(WHOLE)
    workers = ["-n", str(asked.n)] if asked.n else []
    settings = [f"--engine={asked.engine}", f"--concurrency={asked.concurrency}", "--count=1", "-q"]
    return [*cases, "-m", "experiment", *settings, *workers]


def main(asked: argparse.Namespace) -> None:
    rng, repaid, faults = Random(SEED), [], 0
    variables = {name: os.environ[name] for name in ("TINYTROUPE_REPO_DIR",) if name in os.environ}
    with tempfile.TemporaryDirectory() as name, CountingEndpoint(delay=0.01) as endpoint:
        folder = Path(name)
        sessions = Sessions(endpoint, ROOT, options_of(asked, folder), **variables)
        undisturbed, calls = sessions.finish(folder / "undisturbed"), endpoint.count
        print(
            f"Undisturbed: {calls} requests. {asked.kills} kills, {asked.concurrency} calls in flight at most.",
            flush=True,
        )
        for number in range(asked.kills):
            results, before = folder / str(number), endpoint.count
            moment, later = rng.randint(1, max(1, calls - asked.concurrency)), rng.uniform(0, 0.02)
            everyone = number % 2 == 0
            killed = sessions.kill_at(results, moment, later, everyone=everyone)
            if killed is None:
                sys.exit(f"Kill {number}: the session ended before request {moment}.")
            same = sessions.finish(results) == undisturbed
            more = endpoint.count - before - calls
            sound = same and 0 <= more <= asked.concurrency and not killed.orphans
            faults += not sound
            repaid.append(more)
            print(
                f"kill {number:2d} at request {moment:4d}{'' if everyone else ' (session alone)'}: "
                f"{killed.in_flight:2d} unanswered, {more:2d} sent twice, "
                f"artifact {'the same' if same else 'DIFFERS'}, {len(killed.orphans)} processes left"
                f"{'' if sound else '  FAULT'}",
                flush=True,
            )
            shutil.rmtree(results)
    print(
        f"{asked.kills - faults} of {asked.kills} kills sound; sent twice: median {statistics.median(repaid)}, most "
        f"{max(repaid)} (limit {asked.concurrency})."
    )
    sys.exit(faults > 0)


if __name__ == "__main__":
    main(parsed())
