"""A table of a million people, sampled, and a population of 20,000: CPU seconds and memory, each in its own process.

    python benchmarks/people.py [--rows N] [--people N] [--folder DIR]

The table (6 columns) is made up in a temporary folder. Memory is what a sample takes beyond what the process had after
it read a small table of the same format. Steps of a population are measured at half the size too: twice the people may
take little more than twice the time.
"""

from __future__ import annotations

import argparse
import csv
import pickle
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import verdict

COLUMNS = ("id", "age", "region", "sex", "income", "education")
MARGINS = {
    "region": {"North": 0.4, "South": 0.3, "East": 0.2, "West": 0.1},
    "sex": {"f": 0.52, "m": 0.48},
}


def write_table(path: Path, rows: int) -> None:
    rng = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(rows):
            place = rng.choice(("North", "South", "East", "West")), rng.choice("fm")
            more = round(rng.lognormvariate(10, 1), 2), rng.choice(("low", "mid", "high"))
            writer.writerow([f"p{number}", rng.randint(18, 90), *place, *more])


def peak() -> float:
    """The largest memory of this process so far, in MiB; on Linux without what it inherited of its parent's peak."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def sample(path: str, small: str, by: list[str]) -> None:
    """Print CPU seconds and MiB of one sample; runs in its own process."""
    import harness

    harness.load_population(small, sample=5, name="id", by=by)
    before, start = peak(), time.process_time()
    people = harness.load_population(path, sample=500, seed=1, name="id", by=by)
    assert len(people) == 500
    print(time.process_time() - start, peak() - before)


def steps(path: Path, people: int) -> dict[str, float]:
    """CPU seconds of each step with a population of that size."""
    import harness
    from harness.personas import population_of
    from harness.runtime.plan import interleave, plan_cell
    from harness.runtime.provenance import cell_metadata

    write_table(path, people)
    found: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = step()
        found[name] = time.process_time() - start
        return result

    one = timed("load", lambda: harness.load_population(path, name="id"))
    timed("sample by region and sex", lambda: one.sample(people // 2, by=["region", "sex"], seed=1))
    timed("quotas", lambda: one.sample(quotas={"sex": {"f": people // 4, "m": people // 4}}))
    weighted = timed("rake", lambda: one.rake(MARGINS))
    timed("slice", lambda: weighted[: people // 2])
    timed("pickle and back", lambda: pickle.loads(pickle.dumps(weighted)))
    groups = (harness.Group("plain"), harness.Group("hopeful", instructions="You feel hopeful."))
    survey = harness.Survey(items=[harness.Likert("trust", "How far do you trust the council?", points=5)])
    made = timed(
        "declare", lambda: harness.Experiment(name="b", population=weighted, groups=groups, survey=survey)
    )
    chosen = population_of(made)
    plans = timed(
        "plan both arms",
        lambda: [plan_cell(made, group, 1, population=chosen, engine="embedded") for group in groups],
    )
    timed("order the trials", lambda: interleave(plans, 0))
    timed("hash and first line", lambda: cell_metadata(plans[0]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        big, small = folder / "big.csv", folder / "small.csv"
        write_table(big, arguments.rows)
        write_table(small, 1000)
        import pyarrow.csv as arrow_csv
        import pyarrow.parquet as parquet

        for path in (big, small):
            parquet.write_table(
                arrow_csv.read_csv(path), path.with_suffix(".parquet"), row_group_size=100_000
            )
        print(f"500 of {arguments.rows:,} rows")
        for suffix, most in ((".csv", 32), (".parquet", 160)):
            for by in ([], ["region"]):
                paths = [str(path.with_suffix(suffix)) for path in (big, small)]
                code = f"from people import sample; sample({paths[0]!r}, {paths[1]!r}, {by!r})"
                told = subprocess.check_output(
                    [sys.executable, "-c", code], cwd=Path(__file__).parent, text=True
                )
                seconds, memory = map(float, told.split())
                how = f"{suffix} {'by ' + by[0] if by else ''}"
                print(f"  {how:<22}{seconds:6.1f} s CPU{memory:8.0f} MiB  {verdict(memory, most, 'MiB')}")
        half, full = (steps(folder / "p.csv", size) for size in (arguments.people // 2, arguments.people))
        print(f"a population of {arguments.people // 2:,} and {arguments.people:,}")
        for name, seconds in full.items():
            print(f"  {name:<26}{half[name]:8.3f} s{seconds:8.3f} s CPU")


if __name__ == "__main__":
    main()
