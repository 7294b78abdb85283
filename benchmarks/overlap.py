"""How closely the cases of one session overlap: 1,000 cases of one call each beside plain pytest with empty cases.

    python benchmarks/overlap.py [--runs 5] [--cases 1000] [--concurrency 100]

One experiment, 2 groups × ``--count 500``, one person, one step: a call per case, 100 in flight, in one process. At
100 ms a call, 1,000 calls cannot take less than 1 s; one after another they would take 100 s. The yardstick is plain
pytest running as many parametrized empty cases; the zero-latency run tells what a case costs by itself, with its JSONL
file. Wall times of whole processes, medians of alternating pairs, other plugins kept out on both sides.

No limit is set for these figures. An earlier trial of the design, without files or records, needed 1.5 s for the
calls of 100 ms where plain pytest took 0.8 s.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from startup import CASES, INI, PLAIN
from timing import PYTEST, alternating, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="pairs of each comparison (default: 5)")
    parser.add_argument("--cases", type=int, default=1000, help="even number of cases (default: 1000)")
    parser.add_argument("--concurrency", type=int, default=100, help="calls in flight (default: 100)")
    options = parser.parse_args()
    reps = options.cases // 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = PLAIN.replace("range(1, 501)", f"range(1, {reps + 1})")
        for file, text in {"test_cases.py": CASES, "test_plain.py": plain, "pytest.ini": INI}.items():
            (folder / file).write_text(text)

        def playing(model: str) -> float:
            with tempfile.TemporaryDirectory() as results:
                chosen = (
                    "--model",
                    model,
                    "--concurrency",
                    str(options.concurrency),
                    "--results-dir",
                    results,
                )
                command = (*PYTEST, "-q", "-m", "experiment", "test_cases.py", "--count", str(reps), *chosen)
                seconds, printed = run(command, folder)
                if len(list(Path(results).glob("*.jsonl"))) != options.cases:
                    sys.exit(f"Expected {options.cases} record files:\n{printed[-500:]}")
                return seconds

        def empty() -> float:
            return run((*PYTEST, "-q", "-m", "experiment", "test_plain.py", "-p", "no:harness"), folder)[0]

        for milliseconds in (100, 0):
            ours, bare = alternating(lambda: playing(f"rehearsal:{milliseconds}ms"), empty, options.runs)  # noqa: B023
            floor = milliseconds * options.cases / options.concurrency / 1000
            print(
                f"{options.cases} cases, {milliseconds:>3} ms a call, {options.concurrency} in flight: "
                f"{ours:.2f} s (calls alone: {floor:.2f} s) beside {bare:.2f} s for plain empty cases"
            )


if __name__ == "__main__":
    main()
