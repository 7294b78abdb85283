"""The embedded engine on exp_3 (fast mode, both groups, packaged words) beside its critical path.

    python benchmarks/embedded.py [--runs 5] [--latency 50] [--experiment exp_3]

No run can be shorter than its longest trial's chain of calls that wait for one another, times the latency of a call.
That chain is counted exactly: every trial is played on an event loop with a virtual clock, on which computing takes no
time and sleeping takes none of ours. There, the time that a trial took is its chain of calls × latency, and with no
limit on concurrency the session takes as long as its longest trial. The rehearsal model answers from (seed, trial,
request, occurrence) alone, so the calls are the very same as in the timed run; their number is compared.

The timed run is `harness.run` in its own process: pytest, fixtures, engine, gateway, JSONL files and the artifact.
The engine's figure, which the limit is about, is from the first trial's start to the last one's end, by their records.
It also prints the time of `harness.run`, with pytest's start and the artifact, and that of the whole process, with
Python's start and all imports. Own CPU time, which is the rehearsal model's too, is printed per call: of engine and
gateway alone, on the virtual clock, and of all of a run at zero latency with 100 calls in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import selectors
import statistics
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from timing import run, verdict

LIMIT = 1.3


class VirtualClock(asyncio.SelectorEventLoop):
    """An event loop that, instead of waiting, puts its clock forward. For coroutines that only sleep."""

    def __init__(self) -> None:
        self._now = 0.0
        self._real = selectors.SelectSelector()
        super().__init__(self)  # type: ignore[arg-type]

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None = None) -> list[Any]:
        self._now += timeout or 0.0
        return self._real.select(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def chains(name: str, latency: float) -> tuple[dict[str, int], int]:
    """Trial → calls in its longest chain of dependent calls, and the number of calls of all trials."""
    from harness.engines.embedded import EmbeddedEngine
    from harness.gateway.gateway import Gateway
    from harness.gateway.rehearsal.provider import RehearsalProvider

    gateway = Gateway(RehearsalProvider(0, latency=latency), concurrency=None)
    engine, loop = EmbeddedEngine(), VirtualClock()

    async def played(plan: Any) -> float:
        client = gateway.open_trial(plan.trial.id)
        await engine.run(plan, client)
        return loop.time()

    async def together(work: Sequence[Coroutine[Any, Any, float]]) -> list[float]:
        return await asyncio.gather(*work)

    plans = trials(name)
    ended = loop.run_until_complete(together([played(plan) for plan in plans]))
    loop.close()
    depths = {plan.trial.id: round(end / latency) for plan, end in zip(plans, ended, strict=True)}
    return depths, gateway.calls


def trials(name: str) -> list[Any]:
    """Every trial of the experiment's fast mode."""
    from harness.guests import find, registered
    from harness.personas import load
    from harness.runtime.plan import plan_cell

    [experiment] = find(name, registered())
    population = load(experiment.population, experiment.fragments)
    cells = [
        plan_cell(experiment, group, rep, mode="fast", population=population, engine="embedded")
        for group in experiment.groups
        for rep in range(1, experiment.modes["fast"].reps + 1)
    ]
    return [trial for cell in cells for trial in cell.trials]


def session(name: str, model: str, concurrency: int | None) -> dict[str, Any]:
    """One `harness.run` in a fresh process: seconds of its trials, itself, its process and CPU, and its calls."""
    with tempfile.TemporaryDirectory() as results:
        arguments = json.dumps([name, model, concurrency, results])
        seconds, printed = run((sys.executable, __file__, "--child", arguments), Path(results))
    return {**json.loads(printed.splitlines()[-1]), "process": seconds}


def child(name: str, model: str, concurrency: int | None, results: str) -> None:
    import harness
    import harness.plugin.overlap  # what a session needs is imported before the clock starts

    wall, cpu = time.perf_counter(), time.process_time()
    done = harness.run(
        name, mode="fast", model=model, concurrency=concurrency, results_dir=results, quiet=True
    )
    spent = {"run": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    lines = [json.loads(line) for path in done.records for line in path.read_bytes().splitlines()]
    played = [line for line in lines if line["type"] == "trial_result"]
    first = min(datetime.fromisoformat(line["started"]) for line in played)
    last = max(datetime.fromisoformat(line["ended"]) for line in played)
    spent["played"] = (last - first).total_seconds()
    print(json.dumps({**spent, "calls": sum(done.meta["usage"]["calls"].values())}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="timed runs; their median counts (default: 5)")
    parser.add_argument("--latency", type=int, default=50, metavar="MS", help="of one call (default: 50)")
    parser.add_argument("--experiment", default="exp_3", metavar="NAME", help="default: exp_3")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(*json.loads(options.child))

    chains(
        options.experiment, options.latency / 1000
    )  # warms caches up, for the sake of the next one's CPU time
    before = time.process_time()
    depths, calls = chains(options.experiment, options.latency / 1000)
    bare = time.process_time() - before
    longest = max(depths, key=depths.__getitem__)
    path = depths[longest] * options.latency / 1000
    timed, idle = [], []
    for _ in range(options.runs):
        timed.append(session(options.experiment, f"rehearsal:{options.latency}ms", None))
        idle.append(session(options.experiment, "rehearsal", 100))
    if {run["calls"] for run in timed + idle} != {calls}:
        sys.exit("The runs made other calls than the trials on the virtual clock: nothing to compare.")

    played, whole, process = (
        statistics.median(run[name] for run in timed) for name in ("played", "run", "process")
    )
    cpu = statistics.median(run["cpu"] for run in idle)
    print(f"{options.experiment}, fast mode: {len(depths)} trials, {calls} calls")
    print(f"longest chain: {depths[longest]} calls in {longest}; × {options.latency} ms = {path:.2f} s")
    print(f"all trials:    {played:.2f} s: {verdict(played / path, LIMIT, '×')} the critical path")
    print(
        f"harness.run:   {whole:.2f} s: {whole / path:.2f} ×, with pytest's start, SciPy's import and the artifact"
    )
    print(f"whole process: {process:.2f} s: {process / path:.2f} ×, with Python's start and all imports")
    print(f"own CPU:       {1000 * bare / calls:.2f} ms a call in engine, gateway and rehearsal model;")
    print(
        f"               {1000 * cpu / calls:.2f} ms a call in a whole run at zero latency, 100 in flight ({cpu:.2f} s)"
    )
    return None


if __name__ == "__main__":
    main()
