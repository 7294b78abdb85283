"""What telemetry adds to a run's wall time: LangSmith and Sentry on, their server well, refusing, failing or hanging.

    python benchmarks/telemetry.py [--runs 3] [--latency 300] [--concurrency 100] [--experiment exp_3]

`harness.run` of the experiment's fast mode, both groups, on the rehearsal model with a latency, in a process of its
own; the yardstick is the same run without the variables that turn telemetry on, in turn with the others. The server
that stands in for both vendors is a separate process on loopback. The time is that of the whole run: until the
artifact is written and the observers had their few seconds. The artifacts are compared byte for byte, and the warnings
counted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from timing import environment, verdict

LIMIT = 5.0
MODES = ("off", "ok", "refuse", "500", "hang")
ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def server(mode: str) -> Iterator[dict[str, str]]:
    """The variables that send telemetry to a server in this mode; none for ``off``."""
    if mode == "off":
        yield {}
        return
    command = (sys.executable, __file__, "--serve", mode)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def serve(mode: str) -> None:
    sys.path.insert(0, str(ROOT))
    from tests.support.recorder import recording

    with recording(mode) as recorder:
        print(
            json.dumps(
                {
                    "LANGSMITH_TRACING": "true",
                    "LANGSMITH_API_KEY": "none",
                    "LANGSMITH_ENDPOINT": recorder.url,
                    "SENTRY_DSN": recorder.dsn,
                }
            ),
            flush=True,
        )
        sys.stdin.read()


def session(mode: str, options: argparse.Namespace) -> dict[str, Any]:
    """One run in its own process: seconds, CPU seconds, calls, warnings and the artifact's hash."""
    with tempfile.TemporaryDirectory() as folder, server(mode) as variables:
        arguments = json.dumps([options.experiment, options.latency, options.concurrency])
        done = subprocess.run(
            (sys.executable, __file__, "--child", arguments),
            cwd=folder,
            env=environment() | variables,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(f"{mode}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    *_, last = done.stdout.splitlines()
    said = done.stdout + done.stderr
    return {**json.loads(last), "warnings": sum(said.count(f"{name}: ") for name in ("LangSmith", "Sentry"))}


def child(name: str, latency: int, concurrency: int) -> None:
    import harness
    import harness.plugin.overlap  # what a session needs is imported before the clock starts

    wall, cpu = time.perf_counter(), time.process_time()
    done = harness.run(
        name,
        mode="fast",
        model=f"rehearsal:{latency}ms",
        concurrency=concurrency,
        results_dir="results",
    )
    seconds, spent = time.perf_counter() - wall, time.process_time() - cpu
    (artifact,) = (path for path in Path("results").glob("*.json") if not path.name.endswith(".meta.json"))
    digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
    calls = sum(done.meta["usage"]["calls"].values())
    print()
    print(json.dumps({"seconds": seconds, "cpu": spent, "calls": calls, "artifact": digest}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of each kind; medians count (default: 3)")
    parser.add_argument("--latency", type=int, default=300, metavar="MS", help="of one call (default: 300)")
    parser.add_argument("--concurrency", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--experiment", default="exp_3", metavar="NAME", help="default: exp_3")
    parser.add_argument("--serve", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    if options.child:
        return child(*json.loads(options.child))

    runs: dict[str, list[dict[str, Any]]] = {mode: [] for mode in MODES}
    for _ in range(options.runs):
        for mode in MODES:
            runs[mode].append(session(mode, options))
    without = statistics.median(run["seconds"] for run in runs["off"])
    print(
        f"{options.experiment}, fast mode: {runs['off'][0]['calls']} calls of {options.latency} ms, ", end=""
    )
    print(f"{options.concurrency} at once; {os.cpu_count()} processors")
    print(f"off:    {without:.2f} s, the yardstick")
    for mode in MODES[1:]:
        seconds, cpu, base = (
            statistics.median(run[name] for run in runs[which])
            for name, which in (("seconds", mode), ("cpu", mode), ("cpu", "off"))
        )
        growth = 100 * (seconds / without - 1)
        same = {run["artifact"] for run in runs[mode]} == {run["artifact"] for run in runs["off"]}
        print(
            f"{mode + ':':<7} {seconds:.2f} s: {verdict(growth, LIMIT, '%')}; CPU {cpu - base:+.2f} s; "
            f"artifact {'the same' if same else 'CHANGED'}; warnings {sorted({run['warnings'] for run in runs[mode]})}"
        )
    return None


if __name__ == "__main__":
    main()
