"""Makes a `TrialResult` of a job's result: checks scores, and gives reasons for missing ones."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.engines.measuring import measure
from harness.engines.tinytroupe.job import JobResult
from harness.model import (
    MAX_SCORE,
    MIN_SCORE,
    Extraction,
    Measure,
    Proposition,
    Sample,
    TrialPlan,
    TrialResult,
)

_NUMBER = re.compile(r"[+-]?\d{1,6}(\.\d{1,6})?")
_SHOWN = 100


async def result_of(plan: TrialPlan, played: JobResult) -> TrialResult:
    """The trial's result, with one sample per metric and subject, in the order of the published artifacts."""
    measures = [metric for metric in plan.metrics if isinstance(metric, Measure)]
    measured = {sample.metric: sample for sample in await measure(measures, tuple(played.events))}
    return TrialResult(
        trial=plan.trial,
        samples=tuple(_samples(plan, played, measured)),
        transcript=tuple(played.events),
        extraction=played.extraction,
        corrections=tuple(played.corrections),
        interventions=tuple(played.interventions),
    )


def score(answer: Any) -> tuple[float | None, str | None]:
    """The number in a judge's answer, or ``None`` and why not.

    >>> score({"value": "7"})
    (7, None)
    >>> score({"value": "7, because"})
    (None, "score '7, because' is not a number")
    """
    if not isinstance(answer, dict) or "value" not in answer:
        return None, "the judge's answer has no score"
    number = _number(answer["value"])
    if number is None:
        return None, f"score {_shown(answer['value'])} is not a number"
    if not MIN_SCORE <= number <= MAX_SCORE:
        return None, f"score {_shown(answer['value'])} is outside {MIN_SCORE} to {MAX_SCORE}"
    return number, None


def count(extraction: Extraction, extracted: Any) -> tuple[float | None, str | None]:
    """The length of the extracted list, or ``None`` and why there is none."""
    if extracted is None or extracted == {}:
        return None, "extraction failed: the reply held no JSON"
    found = extracted.get(extraction.root) if isinstance(extracted, dict) else None
    if not isinstance(found, list):
        return None, f"extraction failed: no list {extraction.root!r} in {_shown(extracted)}"
    return len(found), None


def _samples(plan: TrialPlan, played: JobResult, measured: Mapping[str, Sample]) -> Iterator[Sample]:
    propositions = [metric for metric in plan.metrics if isinstance(metric, Proposition)]
    for metric in propositions:
        if metric.about == "person":
            for persona in plan.personas:
                yield _scored(metric.name, played.scores.get((metric.name, persona.name)), persona.name)
    if plan.script.extraction is not None:
        number, reason = None, played.fault
        if reason is None:
            number, reason = count(plan.script.extraction, played.extraction)
        yield Sample(plan.script.extraction.metric, number, reason=reason)
    for other in plan.metrics:
        if isinstance(other, Measure):
            yield measured[other.name]
        elif other.about == "panel":
            yield _scored(other.name, played.scores.get((other.name, None)), None)


def _scored(metric: str, answer: Any, person: str | None) -> Sample:
    number, reason = score(answer)
    justification = answer.get("justification") if isinstance(answer, dict) else None
    said = justification if isinstance(justification, str) else None
    return Sample(metric, number, person=person, reason=reason, justification=said)


def _number(value: Any) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) else value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
