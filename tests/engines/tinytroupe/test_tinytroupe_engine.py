"""Trials of the real package against the offline model; skipped where there is no checkout."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.plans import PEOPLE, SCRIPT, VARIETY, plan

from harness.engines.tinytroupe import TinyTroupeEngine, check, expected_calls
from harness.errors import ConfigurationError, HarnessError, ModelCallError
from harness.gateway.calls import Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.requests.call_kinds import classify
from harness.gateway.retry import RetryPolicy
from harness.gateway.trial_client import TrialClient
from harness.model import (
    ActionsAtLeast,
    Correction,
    Intervention,
    Proposition,
    Sample,
    Trial,
    TrialPlan,
    TrialResult,
)

pytestmark = pytest.mark.tinytroupe

METRICS = (
    Proposition("Hard Persona Adherence", "acts in character", tinytroupe="hard_persona_adherence"),
    Proposition("Courtesy", "THE PERSON IS POLITE throughout."),
    Proposition("Task Completion", "the task is done", about="panel", tinytroupe="task_completion"),
)
EAGER = Intervention(
    "eager", "I shall speak of HATS.", textual="nobody spoke of hats", functional=ActionsAtLeast(1)
)


@pytest.fixture(scope="module")
def checkout() -> Path:
    where = os.environ.get("TINYTROUPE_REPO_DIR")
    if not where:
        pytest.skip("TINYTROUPE_REPO_DIR is not set")
    try:
        check(Path(where))
    except ConfigurationError as missing:
        pytest.skip(str(missing))
    return Path(where)


class Spy(RehearsalProvider):
    """The offline model, whose requests can be looked at and whose answers to a kind of call can be replaced."""

    def __init__(self, answers: Mapping[str, Callable[[], str]] | None = None, seed: int = 1) -> None:
        super().__init__(seed)
        self.answers = answers or {}
        self.requests: list[Request] = []

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.requests.append(request)
        kind = classify(request)
        if kind in self.answers:
            return Reply(self.answers[kind](), model=self.model)
        return await super().complete(request, trial=trial, occurrence=occurrence)


@dataclass
class Bench:
    """An engine and what its trials did."""

    engine: TinyTroupeEngine
    spy: Spy
    gateway: Gateway
    calls: dict[str, int]
    rejections: list[dict[str, Any]]
    client: TrialClient | None = None

    async def run(self, trial: TrialPlan) -> TrialResult:
        self.client = client = self.gateway.open_trial(trial.trial.id, "run")
        try:
            return await self.engine.run(trial, client)
        finally:
            self.calls = dict(client.usage().calls)
            self.rejections = client.rejections
            self.gateway.close_trial(client)


def on_bench(checkout: Path, work: Callable[[Bench], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        spy = options.pop("spy", None) or Spy(options.pop("answers", None))
        journal = options.pop("journal", None)
        gateway = Gateway(spy, concurrency=None, retry=RetryPolicy(2, max_replies=2), journal=journal)
        await gateway.start_server()
        engine = TinyTroupeEngine(checkout, **{"workers": 1, **options})
        try:
            return await work(Bench(engine, spy, gateway, {}, []))
        finally:
            await engine.aclose()
            await gateway.aclose()

    return asyncio.run(main())


def small(**changes: Any) -> TrialPlan:
    return plan(**{"metrics": METRICS, **changes})


def directories(bench: Bench) -> list[Path]:
    """Those of the engine's workers, each named by its process."""
    return [path for path in Path(bench.engine._directory.name).glob("*") if path.is_dir()]


def texts(spy: Spy) -> str:
    return json.dumps([list(request.messages) for request in spy.requests])


def test_calls_by_kind_are_the_notebooks(checkout: Path) -> None:
    async def work(bench: Bench) -> None:
        await bench.run(small())
        expected = expected_calls(3, 2, False, 0, 2, 1, True)
        exact = {
            kind: calls
            for kind, calls in expected.items()
            if calls and kind not in ("consolidate", "minibio")
        }
        assert {kind: bench.calls[kind] for kind in exact} == exact
        assert set(bench.calls) <= {*exact, "consolidate", "minibio"}

    on_bench(checkout, work)


def test_correction_and_interventions_reach_the_package(checkout: Path) -> None:
    async def work(bench: Bench) -> None:
        result = await bench.run(small(correction=Correction(5, 2), interventions=(EAGER,)))
        again = bench.calls.get("regenerate", 0)
        expected = expected_calls(3, 2, True, 1, 2, 1, True)
        assert bench.calls["quality_check"] == expected["quality_check"] + again
        assert bench.calls["combine"] == bench.calls["quality_check"]
        assert bench.calls["intervention_check"] == expected["intervention_check"]
        assert again == sum(len(event.attempts) - 1 for event in result.corrections)
        assert all(fired["name"] == "eager" and fired["person"] in PEOPLE for fired in result.interventions)
        thoughts = [
            (e.person, e.step) for e in result.transcript if e.type == "THOUGHT" and "HATS" in e.content
        ]
        assert sorted(thoughts) == sorted((fired["person"], fired["step"]) for fired in result.interventions)
        assert all(step >= 1 for _, step in thoughts)  # in step 0 nobody has acted yet

    yes = {"intervention_check": lambda: _scalar("True")}
    on_bench(checkout, work, answers=yes)


def _scalar(value: Any) -> str:
    return json.dumps({"reasoning": "r", "justification": "j", "value": value, "confidence": 0.5})


def test_a_result_is_whole(checkout: Path) -> None:
    async def work(bench: Bench) -> None:
        result = await bench.run(small())
        assert [(s.metric, s.person) for s in result.samples] == [
            *(("Hard Persona Adherence", name) for name in PEOPLE),
            *(("Courtesy", name) for name in PEOPLE),
            ("ideas_qty", None),
            ("Task Completion", None),
        ]
        assert all(sample.value is not None for sample in result.samples)
        assert {event.step for event in result.transcript} == {0, 1, 2, 3}
        assert {e.person for e in result.transcript if e.type == "DONE" and e.step == 2} == set(PEOPLE)
        assert {e.person for e in result.transcript if e.step == 3} == {PEOPLE[0]}  # the rapporteur
        assert len(result.extraction["ideas"]) == result.samples[-2].value

    on_bench(checkout, work)


def test_no_wall_clock_and_no_unrendered_word_reach_a_prompt(checkout: Path) -> None:
    async def work(bench: Bench) -> None:
        await bench.run(small(steps=1))
        said = texts(bench.spy)
        assert "1999" in said
        assert str(datetime.now().date()) not in said
        assert "{topic}" not in said
        assert "You are here to talk about umbrellas." in said
        assert "They were told: Find new uses for umbrellas." in said
        assert "THE PERSON IS POLITE" in said

    on_bench(checkout, work, start=datetime(1999, 12, 31, 9))


def test_settings_are_june_s_and_the_model_and_temperature_are_ours(checkout: Path) -> None:
    async def work(bench: Bench) -> None:
        await bench.run(small(steps=1))
        acts = [request for request in bench.spy.requests if classify(request) == "act"]
        assert {request.temperature for request in acts} == {0.25}
        assert {request.max_tokens for request in acts} == {16000}

    on_bench(checkout, work, temperature=0.25, model="gpt-o3-like")


def test_a_worker_has_a_directory_of_its_own_without_a_log(checkout: Path) -> None:
    async def work(bench: Bench) -> None:
        await bench.run(small(steps=1))
        (own,) = directories(bench)
        assert [path.name for path in own.iterdir()] == ["config.ini"]
        assert [path.name for path in own.parent.iterdir() if path != own] == ["config.ini"]
        await bench.engine.aclose()
        assert directories(bench) == []

    on_bench(checkout, work)


def test_trials_of_one_process_do_not_touch_each_other(checkout: Path) -> None:
    first = small(steps=1, correction=Correction(5, 2), interventions=(EAGER,))
    second = small(steps=1, trial=replace(first.trial, panel=1))

    async def work(bench: Bench) -> None:
        before = await bench.run(first)
        assert await bench.run(second) != before
        assert await bench.run(first) == before

    on_bench(checkout, work)


SCRIPT_OF_ONE_RUN = """
import sys; sys.path[:0] = [{tests!r}]
import pathlib, test_tinytroupe_engine as module

async def work(bench):
    result = await bench.run(module.small(steps=1, correction=module.Correction(5, 2)))
    print(repr((result.samples, result.transcript, result.corrections)))

if __name__ == "__main__":
    module.on_bench(pathlib.Path({checkout!r}), work)
"""


def test_hash_seeds_do_not_matter(checkout: Path, tmp_path: Path) -> None:
    here = Path(__file__).parent
    script = tmp_path / "run.py"
    script.write_text(SCRIPT_OF_ONE_RUN.format(tests=str(here), checkout=str(checkout)))
    path = os.pathsep.join([str(here.parents[2]), str(here.parents[1])])
    runs = [
        subprocess.Popen(
            [sys.executable, str(script)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2")
    ]
    first, second = (run.communicate(timeout=120)[0] for run in runs)
    assert len(first) > 5000
    assert first == second


@pytest.mark.parametrize("kind", ["act", "score_person", "consolidate", "extract"])
def test_a_call_that_is_given_up_fails_the_trial_at_once(checkout: Path, kind: str) -> None:
    async def work(bench: Bench) -> None:
        with pytest.raises(ModelCallError, match=f"Call '{kind}' of toy/Control"):
            await asyncio.wait_for(bench.run(small()), 30)
        # no turn is lost in silence, and the process is fit for another trial
        bench.spy.answers = {}
        assert (await bench.run(small(steps=1))).samples

    on_bench(checkout, work, answers={kind: lambda: ""})


def test_an_endpoint_that_is_gone_fails_the_trial_at_once(checkout: Path) -> None:
    @dataclass
    class Gone:
        base_url: str = "http://127.0.0.1:9/v1"
        token: str = "none"

    async def work(bench: Bench) -> None:
        with pytest.raises(ModelCallError, match=r"Trial toy/Control.*: TinyTroupe gave up a model call"):
            await asyncio.wait_for(bench.engine.run(small(), Gone()), 30)  # type: ignore[arg-type]

    on_bench(checkout, work)


def test_hostile_scores_are_missing_and_do_not_fail_the_trial(checkout: Path) -> None:
    values: Iterator[Any] = iter(["7", "7, because", 10, True])

    async def work(bench: Bench) -> None:
        result = await bench.run(small(steps=1))
        personal = [sample for sample in result.samples if sample.person]
        assert sum(sample.value is None for sample in personal) == 3
        assert all((sample.value is None) == (sample.reason is not None) for sample in result.samples)

    on_bench(checkout, work, answers={"score_person": lambda: _scalar(next(values, 5))})


def test_an_extraction_that_is_of_no_use_three_times_is_a_missing_sample(checkout: Path) -> None:
    async def work(bench: Bench) -> None:
        result = await bench.run(small(steps=1))
        ideas = ideas_of(result)
        assert ideas.value is None
        assert ideas.reason == "extraction failed: the reply held no JSON"
        assert (bench.calls["extract"], result.extraction) == (3, None)
        assert [one["reason"] for one in bench.rejections] == [ideas.reason] * 3

    on_bench(checkout, work, answers={"extract": lambda: "I would rather not."})


def ideas_of(result: TrialResult) -> Sample:
    (ideas,) = (sample for sample in result.samples if sample.metric == "ideas_qty")
    return ideas


def test_an_extraction_of_no_use_is_asked_for_again(checkout: Path) -> None:
    replies = iter(["I would rather not.", '{"thoughts": []}', '{"ideas": [{"name": "a"}, {"name": "b"}]}'])

    async def work(bench: Bench) -> None:
        result = await bench.run(small(steps=1))
        assert ideas_of(result).value == 2
        assert bench.calls["extract"] == 3
        asked = [request.digest for request in bench.spy.requests if classify(request) == "extract"]
        assert len(asked) == 3 and len(set(asked)) == 1
        assert [one["reason"][:26] for one in bench.rejections] == [
            "extraction failed: the rep",
            "extraction failed: no list",
        ]

    on_bench(checkout, work, answers={"extract": lambda: next(replies)})


def test_a_refusal_to_extract_is_not_asked_away(checkout: Path) -> None:
    class Refusing(Spy):
        async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
            reply = await super().complete(request, trial=trial, occurrence=occurrence)
            return replace(reply, refusal=True) if classify(request) == "extract" else reply

    async def work(bench: Bench) -> None:
        result = await bench.run(small(steps=1))
        assert ideas_of(result).reason == "extraction failed: the reply held no JSON"
        assert (bench.calls["extract"], bench.rejections) == (1, [])

    on_bench(checkout, work, spy=Refusing({"extract": lambda: "No."}))


@pytest.mark.parametrize("cut", [1, 3])
def test_extractions_of_a_session_that_was_cut_off_count(checkout: Path, tmp_path: Path, cut: int) -> None:
    """Cut after so many replies that were of no use: in all there are three, and the fourth is never asked for."""
    asked: list[int] = []

    def reply() -> str:
        asked.append(len(asked))
        return "{}" if len(asked) <= 3 else '{"ideas": []}'

    async def cut_off(bench: Bench) -> None:
        running = asyncio.ensure_future(bench.run(small(steps=1)))
        while len(bench.client.reasons("extract")) < cut if bench.client else True:
            await asyncio.sleep(0.005)
        running.cancel()
        await asyncio.wait([running])

    async def go_on(bench: Bench) -> None:
        assert ideas_of(await bench.run(small(steps=1))).reason == "extraction failed: the reply held no JSON"

    for work in (cut_off, go_on):
        on_bench(checkout, work, answers={"extract": reply}, journal=Journal(tmp_path))
    assert len(asked) == 3


def test_a_killed_worker_fails_its_trial_and_the_next_gets_a_new_one(checkout: Path) -> None:
    async def work(bench: Bench) -> None:
        def kill() -> str:
            (own,) = directories(bench)
            os.kill(int(own.name), signal.SIGKILL)
            return "{}"

        bench.spy.answers = {"extract": kill}
        with pytest.raises(HarnessError, match="worker process ended before the trial did"):
            await bench.run(small(steps=1))
        bench.spy.answers = {}
        assert (await bench.run(small(steps=1))).samples

    on_bench(checkout, work)


def test_an_unknown_proposition_is_named(checkout: Path) -> None:
    async def work(bench: Bench) -> None:
        odd = (Proposition("Odd", "is odd", tinytroupe="oddity"),)
        with pytest.raises(HarnessError, match="oddity"):
            await bench.run(small(steps=1, metrics=odd))

    on_bench(checkout, work)


def test_a_script_without_introduction_or_extraction(checkout: Path) -> None:
    async def work(bench: Bench) -> None:
        bare = replace(SCRIPT, introduction=None, consolidation=None, extraction=None)
        result = await bench.run(small(steps=1, script=bare, interventions=(VARIETY,)))
        assert bench.calls["act"] == 3
        assert {event.step for event in result.transcript} == {1}

    on_bench(checkout, work)


def test_trials_run_side_by_side(checkout: Path) -> None:
    base = small(steps=1)
    plans = [replace(base, trial=Trial(base.trial.cell, panel, 0)) for panel in range(3)]

    async def work(bench: Bench) -> None:
        together = await asyncio.gather(*(bench.run(one) for one in plans))
        assert [result.trial for result in together] == [one.trial for one in plans]
        assert await bench.run(plans[1]) == together[1]

    on_bench(checkout, work, workers=3)
