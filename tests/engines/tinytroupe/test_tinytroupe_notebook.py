"""A trial under the harness asks the model what the published notebook's cells ask, word for word."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.engines.tinytroupe import TinyTroupeEngine, check
from harness.errors import ConfigurationError
from harness.experiments.table1 import load
from harness.gateway.calls import Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.requests.call_kinds import classify
from harness.model import TrialPlan
from harness.personas import load as load_population
from harness.runtime.plan import plan_cell

pytestmark = pytest.mark.tinytroupe

SIZES = {"people": 5, "proposals": 1, "reps": 1, "steps": 2}
CLOCK = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?")
LOOSE = {"minibio", "consolidate"}
"""Only counted: the notebook asks for minibios with a requirement of its own, and consolidation shows them."""


class ClockBlind(RehearsalProvider):
    """Answers the same to the same request, at whatever time and in whatever trial; remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(0)
        self.asked: Counter[tuple[str, str]] = Counter()

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        text = CLOCK.sub("now", json.dumps([dict(message) for message in request.messages]))
        settings = (
            request.response_format,
            request.temperature,
            request.max_tokens,
            sorted(request.extra.items()),
        )
        kind = classify(request)
        self.asked[kind, "" if kind in LOOSE else text + json.dumps(settings)] += 1
        timeless = replace(request, messages=json.loads(text), digest="")
        return await super().complete(timeless, trial="any", occurrence=0)


@pytest.fixture(scope="module")
def checkout() -> Path:
    where = os.environ.get("TINYTROUPE_REPO_DIR")
    if not where:
        pytest.skip("TINYTROUPE_REPO_DIR is not set")
    try:
        check(Path(where))
    except ConfigurationError as missing:
        pytest.skip(str(missing))
    return Path(where).resolve()


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks/tinytroupe_vs_notebook.py"
    spec = importlib.util.spec_from_file_location("tinytroupe_vs_notebook", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def first_trial(publication: Path, arm: str) -> TrialPlan:
    """Of exp_3, with the persons whom the notebook takes: in directory order, then shuffled."""
    (experiment,) = load(publication, only=["exp_3"])
    group = experiment.group(arm)
    population = load_population(experiment.population, experiment.fragments, folder=publication)
    folder = publication / "population" / str(experiment.population)
    files = [file for file in folder.iterdir() if file.name.endswith(".agent.json")]
    random.Random(42).shuffle(files)
    people = {person.name: person for person in population.personas}
    names = [json.loads(file.read_text(encoding="utf-8"))["persona"]["name"] for file in files[:5]]
    small = replace(
        experiment, modes={"fast": replace(experiment.modes["fast"], **SIZES)}, default_mode="fast"
    )
    planned: Any = plan_cell(small, group, 1, population=population, engine="tinytroupe")
    return replace(planned.trials[0], personas=tuple(people[name] for name in names))


async def under_the_harness(checkout: Path, plan: TrialPlan, provider: ClockBlind) -> None:
    gateway = Gateway(provider, concurrency=None)
    await gateway.start_server()
    engine = TinyTroupeEngine(checkout, workers=1)
    try:
        await engine.run(plan, gateway.open_trial(plan.trial.id))
    finally:
        await engine.aclose()
        await gateway.aclose()


@pytest.mark.parametrize("arm", ["Control", "Treatment"])
def test_every_request_is_the_notebook_s(checkout: Path, benchmark: ModuleType, arm: str) -> None:
    theirs, ours = ClockBlind(), ClockBlind()
    asyncio.run(benchmark.notebook(checkout, SIZES, theirs, (arm,)))
    asyncio.run(under_the_harness(checkout, first_trial(checkout / benchmark.PUBLICATION, arm), ours))
    assert theirs.asked.total() > 40
    only_theirs, only_ours = theirs.asked - ours.asked, ours.asked - theirs.asked
    assert Counter(kind for kind, _ in only_theirs) == Counter(kind for kind, _ in only_ours) == Counter()
