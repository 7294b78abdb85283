"""The embedded engine: one trial from the first word to the last score."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from harness.engines.embedded.extraction import extract
from harness.engines.embedded.judge import score_panel, score_people
from harness.engines.embedded.model_requests import together
from harness.engines.embedded.persona import MEMORY_CHARS
from harness.engines.embedded.world import World
from harness.engines.measuring import measure
from harness.errors import HarnessError
from harness.gateway.calls import ModelClient
from harness.model import Measure, Proposition, Sample, TrialPlan, TrialResult, render


class EmbeddedEngine:
    """The default engine. It keeps no state between trials, so one object serves many at once."""

    name = "embedded"
    needs_server = False
    trials_at_once: int | None = None

    async def run(self, plan: TrialPlan, client: ModelClient) -> TrialResult:
        """Run the trial: introduction and a step, task and the plan's steps, consolidation, metrics.

        Steps count from 0, the introduction; the consolidation is the step after the last.
        Raises `ModelCallError`.
        """
        if not plan.personas:
            raise HarnessError(f"Trial {plan.trial.id}: has no personas; expected at least one.")
        world = World(
            plan.personas,
            client,
            correction=plan.correction,
            interventions=plan.interventions,
            memory_limit=plan.memory_limit or MEMORY_CHARS,
            instructions=plan.instructions,
        )
        await _converse(world, plan)
        samples, extracted = await _evaluate(world, plan, client)
        return TrialResult(
            plan.trial,
            tuple(samples),
            tuple(world.transcript),
            extracted,
            tuple(world.corrections),
            tuple(world.interventions),
        )

    async def aclose(self) -> None:
        """Nothing to release."""


async def _converse(world: World, plan: TrialPlan) -> None:
    script = plan.script
    if script.introduction is not None:
        world.broadcast(render(script.introduction, plan.proposal), 0)
        await world.step(0)
    world.broadcast(render(script.task, plan.proposal), 1)
    for number in range(1, plan.steps + 1):
        await world.step(number)
    if script.consolidation is not None:
        rapporteur = world.people[0]
        await world.request(rapporteur, render(script.consolidation, plan.proposal), plan.steps + 1)


async def _evaluate(world: World, plan: TrialPlan, client: ModelClient) -> tuple[Sequence[Sample], Any]:
    """All samples, and the extraction. The requests are independent and run concurrently."""
    step, task = plan.steps + 1, _task_description(plan)
    questions: list[Coroutine[Any, Any, Any]] = [
        _extract(world, plan, client),
        score_panel(world, _claims(plan, "panel"), task, step, client),
        score_people(world.people, _claims(plan, "person"), task, step, client),
    ]
    (extracted, counted), panel, people = await together(questions)
    measures = [metric for metric in plan.metrics if isinstance(metric, Measure)]
    measured = await measure(measures, tuple(world.transcript))
    return (*people, *counted, *panel, *measured), extracted


async def _extract(world: World, plan: TrialPlan, client: ModelClient) -> tuple[Any, list[Sample]]:
    if plan.script.extraction is None:
        return None, []
    extracted, count = await extract(plan.script.extraction, world.people[0], plan.steps + 1, client)
    return extracted, [count]


def _claims(plan: TrialPlan, about: str) -> list[Proposition]:
    return [metric for metric in plan.metrics if isinstance(metric, Proposition) and metric.about == about]


def _task_description(plan: TrialPlan) -> str:
    task = render(plan.script.task, plan.proposal)
    return render(plan.script.task_description, {**plan.proposal, "task": task})


def expected_calls(
    people: int,
    steps: int,
    *,
    correction: bool,
    interventions: int,
    person_metrics: int,
    panel_metrics: int,
    extraction: bool,
    introduction: bool = True,
    consolidation: bool | None = None,
) -> dict[str, int]:
    """Model calls of one trial by kind, for a script with ``steps`` steps, if no turn is sent back.

    ``act`` and ``extract`` are exact, and so are the scores unless a person did nothing. ``quality_check`` and
    ``intervention_check`` are upper bounds: a turn of nothing but DONE is not checked, nor a person whose functional
    precondition does not hold. ``interventions`` counts those with a textual precondition; ``consolidation`` is by
    default what ``extraction`` is. Regenerations, each with its own quality check, come on top. Kinds without
    calls are left out.
    """
    stepped = people * (steps + introduction)
    acts = stepped + (extraction if consolidation is None else consolidation)
    calls = {
        "act": acts,
        "quality_check": acts * correction,
        "intervention_check": stepped * interventions,
        "extract": int(extraction),
        "score_person": people * person_metrics,
        "score_panel": panel_metrics,
    }
    return {kind: number for kind, number in calls.items() if number}
