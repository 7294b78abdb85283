"""The real TinyTroupe under this harness beside the plain notebook: exp_3, fast mode, both groups, offline model.

    TINYTROUPE_REPO_DIR=… python benchmarks/tinytroupe_vs_notebook.py [--latency 200]

The notebook's code cells are read from the checkout and executed as they stand, each arm in its own process,
both at once, which is faster than its users have it; in a directory that links the files it needs, its own config.ini
among them. Only the endpoint is ours: the gateway's HTTP face in this process. Tokens are counted from encodings on
this machine, so that no attempt to download them has to fail first. Unless it is installed, what the notebook displays
with (IPython, matplotlib) is replaced by nothing, which is faster still.

The harness runs the same experiment, the words read from the same notebook, as `harness run` would: pytest, engine,
gateway, records, artifact. Both times are of whole processes, imports included.

`--people`, `--proposals`, `--reps` and `--steps` shrink both sides alike, by setting the notebook's own parameters
after the cell that sets them; without them nothing in the notebook is changed but, for Treatment, its active
experiment. `--trials N` is short for `--people 5·N --proposals 1 --reps 1`: N trials per arm.

Kinds below the line depend on the replies. The notebook's persons live through all trials of their panel, ours through
one: so they have their minibio written once per arm there, once per trial here, and the episodes that are consolidated
begin elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

PUBLICATION = "publications/paper_artifacts_june-2025"
NOTEBOOK = "Debating Quantitative Experimentation 1.ipynb"
SELF = str(Path(__file__).resolve())
LINKED = ("config.ini", "common_utils.py", "population", "fragments")
ARMS = ("Control", "Treatment")
LIMITS = {0: 1 / 3, 200: 1 / 6}
"""Milliseconds per call → the share of the notebook's wall time that the harness may take."""

DISPLAYS = {"IPython": "display", "matplotlib": "pyplot"}
"""What the notebook displays with: package → the module of it that is imported."""

PARAMETERS = {
    "people": "qty_agents",
    "proposals": "qty_proposals",
    "reps": "repetitions_per_task",
    "steps": "simulation_steps",
}
"""Our sizes → the notebook's names for them."""


# The notebook's side


async def notebook(
    checkout: Path, sizes: Mapping[str, int], provider: Any, arms: Sequence[str] = ARMS
) -> tuple[float, dict[str, Counter[str]]]:
    """Wall seconds of all arms at once, and each arm's calls by kind."""
    from harness.gateway.gateway import Gateway

    gateway = Gateway(provider, concurrency=None)
    url = await gateway.start_server()
    clients = {arm: gateway.open_trial(f"notebook/{arm}") for arm in arms}
    began = time.perf_counter()
    await asyncio.gather(*(notebook_arm(checkout, arm, sizes, url, clients[arm].token) for arm in arms))
    seconds = time.perf_counter() - began
    await gateway.aclose()
    return seconds, {arm: Counter(client.usage().calls) for arm, client in clients.items()}


async def notebook_arm(checkout: Path, arm: str, sizes: Mapping[str, int], url: str, token: str) -> None:
    with tempfile.TemporaryDirectory(prefix="notebook-") as folder:
        link(checkout / PUBLICATION, Path(folder))
        ours = {"OPENAI_API_KEY": token, "OPENAI_BASE_URL": url, "OPENAI_API_BASE": url}
        paths = {"PYTHONPATH": os.pathsep.join([str(checkout), folder]), "TIKTOKEN_CACHE_DIR": encodings()}
        await process(
            ["--cells", json.dumps([str(checkout), arm, sizes])], folder, {**os.environ, **ours, **paths}
        )


def link(source: Path, target: Path) -> None:
    for name in LINKED:
        (target / name).symlink_to(source / name)


async def process(arguments: list[str], folder: str, environment: Mapping[str, str]) -> str:
    """What a child of this script printed last. Raises `RuntimeError` if it failed."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, SELF, *arguments),
        cwd=folder,
        env=dict(environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaints = await child.communicate()
    if child.returncode:
        sys.exit(
            f"Exit code {child.returncode} of {arguments}\n{said.decode()[-3000:]}\n{complaints.decode()[-3000:]}"
        )
    return said.decode().rstrip().rpartition("\n")[2]


def cells(checkout: str, arm: str, sizes: Mapping[str, int]) -> None:
    """In a child: execute the notebook's code cells, one after another, in one namespace."""
    import nbformat

    stand_ins()
    namespace: dict[str, Any] = {"__name__": "__main__"}
    read = nbformat.read(Path(checkout) / PUBLICATION / NOTEBOOK, as_version=4)
    for number, cell in enumerate(read.cells):
        if cell.cell_type == "code":
            exec(compile(cell.source, f"cell {number}", "exec"), namespace)
            exec(compile(added(cell.source, arm, sizes), f"after cell {number}", "exec"), namespace)


def added(source: str, arm: str, sizes: Mapping[str, int]) -> str:
    """What is executed after a cell: the sizes asked for, and the arm, in the notebook's own terms."""
    lines = [
        f"{PARAMETERS[name]} = {size}"
        for name, size in sizes.items()
        if f"{PARAMETERS[name]} =" in source.split("def ")[0]
    ]
    if "experiment_runner.activate_next_experiment()" in source and arm != ARMS[0]:
        lines.append(f"experiment_runner.fix_active_experiment({arm!r})")
    return "\n".join(lines)


def stand_ins() -> None:
    """Empty modules for what the notebook and the package import, where it is not installed."""
    from harness.engines.tinytroupe.package import stand_in

    roots = [root for root in DISPLAYS if importlib.util.find_spec(root) is None]
    for name in (name for root in roots for name in (root, f"{root}.{DISPLAYS[root]}")):
        module = ModuleType(name)
        module.__path__ = []
        vars(module).update(display=nothing, Javascript=nothing)
        sys.modules[name] = module
    stand_in()


def nothing(*_: Any, **__: Any) -> None:
    """Displays nothing."""


def encodings() -> str:
    spec = importlib.util.find_spec("llama_index.core")
    return str(Path(str(spec and spec.origin)).parent / "_static" / "tiktoken_cache")


# The harness's side


async def harnessed(
    checkout: Path, sizes: Mapping[str, int], latency: float, workers: int
) -> tuple[float, dict[str, Any]]:
    """Wall seconds of one session of both arms, and what it says of itself."""
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        began = time.perf_counter()
        environment = {**os.environ, "TINYTROUPE_REPO_DIR": str(checkout)}
        arguments = json.dumps([str(checkout), sizes, latency, workers, folder])
        said = await process(["--session", arguments], folder, environment)
        return time.perf_counter() - began, json.loads(said)


def session(checkout: str, sizes: Mapping[str, int], latency: float, workers: int, folder: str) -> None:
    """In a child: what `harness run` does, for an experiment of this size."""
    from harness.experiments.table1 import load
    from harness.plugin.launch import LaunchRequest, launch

    (experiment,) = load(Path(checkout) / PUBLICATION, only=["exp_3"])
    sized = replace(
        experiment, modes={"fast": replace(experiment.modes["fast"], **sizes)}, default_mode="fast"
    )
    model = f"rehearsal:{latency * 1000:g}ms" if latency else "rehearsal"
    request = LaunchRequest([sized])
    code = launch(
        request,
        further=[
            *("--engine=tinytroupe", f"--model={model}", f"--workers={workers}", "--mode=fast", "--seed=0"),
            *(f"--results-dir={folder}", "--concurrency=unlimited", "-qq", "--no-header", "--no-summary"),
        ],
    )
    if code or not request.conclusions:
        sys.exit(f"The session failed with exit code {code}.")
    print("\n" + json.dumps({"calls": request.conclusions[0].meta["usage"]["calls"]}))


# Both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkout", type=Path, default=os.environ.get("TINYTROUPE_REPO_DIR"))
    parser.add_argument("--latency", type=int, default=0, metavar="MS", help="of one call (default: 0)")
    parser.add_argument(
        "--workers", type=int, help="processes of the engine (default: processors; 8 × with latency)"
    )
    parser.add_argument("--only", choices=("notebook", "harness"), help="run one side alone")
    parser.add_argument(
        "--trials", type=int, metavar="N", help="N trials per arm: 5·N people, 1 proposal, 1 rep"
    )
    for name in PARAMETERS:
        parser.add_argument(
            f"--{name}", type=int, metavar="N", help=f"instead of the fast mode's number of {name}"
        )
    parser.add_argument("--cells", help=argparse.SUPPRESS)
    parser.add_argument("--session", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cells:
        return cells(*json.loads(options.cells))
    if options.session:
        return session(*json.loads(options.session))
    if options.checkout is None:
        parser.error("no checkout: set TINYTROUPE_REPO_DIR or give --checkout")
    sizes = {name: getattr(options, name) for name in PARAMETERS if getattr(options, name) is not None}
    if options.trials:
        sizes = {"people": 5 * options.trials, "proposals": 1, "reps": 1, **sizes}
    try:
        return compare(options.checkout.resolve(), sizes, options)
    except RuntimeError as failed:
        return sys.exit(str(failed))


def compare(checkout: Path, sizes: Mapping[str, int], options: argparse.Namespace) -> None:
    from harness.gateway.rehearsal.provider import RehearsalProvider

    latency = options.latency / 1000
    workers = options.workers or (os.cpu_count() or 1) * (8 if latency else 1)
    print(
        f"exp_3, fast mode{f' with {sizes}' if sizes else ''}; {options.latency} ms per call; {workers} workers"
    )
    theirs = ours = None
    counts: dict[str, Counter[str]] = {}
    if options.only != "harness":
        theirs, by_arm = asyncio.run(notebook(checkout, sizes, RehearsalProvider(0, latency=latency)))
        counts["notebook"] = sum(by_arm.values(), Counter())
        print(f"notebook: {theirs:8.1f} s, {counts['notebook'].total()} calls", flush=True)
    if options.only != "notebook":
        ours, said = asyncio.run(harnessed(checkout, sizes, latency, workers))
        counts["harness"] = Counter(said["calls"])
        print(f"harness:  {ours:8.1f} s, {counts['harness'].total()} calls", flush=True)
    if theirs and ours:
        limit = LIMITS.get(options.latency)
        told = (
            f" (limit {limit:.2f}: {'met' if ours / theirs <= limit else 'MISSED'})"
            if limit and not sizes
            else ""
        )
        print(f"ratio:    {ours / theirs:8.2f}{told}")
    table(counts)


def table(counts: Mapping[str, Counter[str]]) -> None:
    """Calls by kind, side by side; those that depend on the replies, or are made another number of times, apart."""
    reply_dependent = ("regenerate", "quality_check", "combine", "consolidate", "minibio")
    kinds = sorted(
        {kind for count in counts.values() for kind in count},
        key=lambda kind: (kind in reply_dependent, kind),
    )
    print(f"\n{'calls by kind':20}{''.join(f'{side:>12}' for side in counts)}")
    for number, kind in enumerate(kinds):
        if number and kind in reply_dependent and kinds[number - 1] not in reply_dependent:
            print("-" * 20)
        print(f"{kind:20}{''.join(f'{count[kind]:12}' for count in counts.values())}")
    if "quality_check" in kinds:
        first = [count["quality_check"] - count["regenerate"] for count in counts.values()]
        print(f"{'first checks':20}{''.join(f'{each:12}' for each in first)}")


if __name__ == "__main__":
    main()
