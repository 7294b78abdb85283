"""From what an experiment's own play returned to a complete result: its transcript, and a sample of every metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

from harness.engines.measuring import measure
from harness.engines.transcript_judge import score_transcript
from harness.errors import HarnessError
from harness.gateway.calls import ModelClient
from harness.model import Event, Measure, Proposition, Sample, TrialPlan, TrialResult, render
from harness.model.outcome import CorrectionEvent

EXPECTED = "expected a TrialResult, a mapping of metrics to numbers, or None"


def result_of(plan: TrialPlan, value: Any) -> TrialResult:
    """The result that ``value`` stands for. Raises `HarnessError` if it is something else.

    ``None`` reports nothing, a mapping a number for each of some metrics. A metric that only the play can report, and
    did not, is a missing sample that fails its case.
    """
    if isinstance(value, TrialResult):
        return _checked(plan, value)
    if value is not None and not isinstance(value, Mapping):
        raise HarnessError(f"{plan.trial.id}: its play gave a {type(value).__name__}; {EXPECTED}.")
    reported = value or {}
    samples = [_sample(name, number) for name, number in reported.items()]
    samples += [
        Sample(one.name, None, reason="The play reported no value; expected a number or None.", raised=True)
        for one in plan.metrics
        if isinstance(one, Measure) and one.function is None and one.name not in reported
    ]
    return TrialResult(plan.trial, tuple(samples))


_PARTS = (
    ("samples", Sample),
    ("transcript", Event),
    ("corrections", CorrectionEvent),
    ("interventions", Mapping),
)


def _checked(plan: TrialPlan, result: TrialResult) -> TrialResult:
    """``result`` with what is not a number as a missing sample. Raises `HarnessError` for parts of other types."""
    for name, kind in _PARTS:
        items = getattr(result, name)
        if not isinstance(items, tuple | list) or not all(isinstance(one, kind) for one in items):
            raise HarnessError(
                f"{plan.trial.id}: its play gave a TrialResult with {name}={items!r:.60}; expected a tuple of "
                f"{kind.__name__}."
            )
    if not isinstance(result.details, Mapping):
        raise HarnessError(
            f"{plan.trial.id}: its play gave details={result.details!r:.60}; expected a mapping."
        )
    samples = (
        one
        if one.value is None or isinstance(one.value, Real)
        else replace(_sample(one.metric, one.value), person=one.person)
        for one in result.samples
    )
    return replace(result, samples=tuple(samples))


def _sample(name: Any, value: Any) -> Sample:
    if value is None:
        return Sample(str(name), None, reason="The play has no value for this trial.")
    if not isinstance(value, Real) or not math.isfinite(value):
        reason = f"The play reported {value!r:.60}; expected a finite number or None."
        return Sample(str(name), None, reason=reason, raised=True)
    return Sample(str(name), float(value))


async def completed(
    plan: TrialPlan, result: TrialResult, transcript: Sequence[Event], task: str, client: ModelClient
) -> TrialResult:
    """``result`` with its own transcript or this one, and what the play left to measure.

    ``task`` is what the judge reads of the task. Raises `ModelCallError`.
    """
    result = replace(result, transcript=result.transcript or tuple(transcript))
    reported = {sample.metric for sample in result.samples}
    open_ones = [metric for metric in plan.metrics if metric.name not in reported]
    claims = [one for one in open_ones if isinstance(one, Proposition)]
    judged = await score_transcript(plan.personas, result.transcript, claims, task, plan.steps + 1, client)
    measured = await measure(_computed(open_ones), result.transcript)
    return replace(result, samples=(*result.samples, *judged, *measured))


def _computed(metrics: Iterable[Proposition | Measure]) -> list[Measure]:
    return [one for one in metrics if isinstance(one, Measure) and one.function is not None]


def task_of(plan: TrialPlan) -> str:
    """The task as the judge reads it; empty where the script has none."""
    task = render(plan.script.task, plan.proposal)
    return render(plan.script.task_description, {**plan.proposal, "task": task}) if task else ""
