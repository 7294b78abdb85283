"""The plain data sent to worker processes and back."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from harness.errors import ConfigurationError
from harness.model import (
    Correction,
    CorrectionEvent,
    Event,
    Extraction,
    Intervention,
    Persona,
    Proposition,
    TrialPlan,
    render,
)


@dataclass(frozen=True, slots=True)
class Job:
    """One trial, with all placeholders filled in.

    ``personas`` are objects of TinyTroupe's file format. ``endpoint`` is (base URL, token).
    """

    trial: str
    endpoint: tuple[str, str]
    personas: tuple[Mapping[str, Any], ...]
    introduction: str | None
    task: str
    steps: int
    consolidation: str | None
    extraction: Extraction | None
    task_description: str
    correction: Correction | None
    interventions: tuple[Intervention, ...]
    propositions: tuple[Proposition, ...]
    start: datetime
    seed: int


@dataclass(slots=True)
class JobResult:
    """The result of a job: scores and extraction as the model gave them, unchecked.

    ``scores`` maps (metric, person or ``None``) to the judge's answer, or ``None``. ``fault`` says why there is no
    extraction, ``lost`` which failed call invalidates the trial.
    """

    events: list[Event] = field(default_factory=list)
    scores: dict[tuple[str, str | None], Any] = field(default_factory=dict)
    extraction: Any = None
    fault: str | None = None
    corrections: list[CorrectionEvent] = field(default_factory=list)
    interventions: list[dict[str, Any]] = field(default_factory=list)
    lost: str | None = None


def job_of(plan: TrialPlan, endpoint: tuple[str, str], start: datetime) -> Job:
    """The plan as a worker needs it. Raises `ConfigurationError` for what cannot be sent to a process."""
    script, proposal = plan.script, plan.proposal
    task = render(script.task, proposal)
    for intervention in plan.interventions:
        _check_travels(intervention.functional, f"Intervention {intervention.name!r}: functional")
    return Job(
        trial=plan.trial.id,
        endpoint=endpoint,
        personas=tuple(_specification(persona, plan.instructions) for persona in plan.personas),
        introduction=_rendered(script.introduction, proposal),
        task=task,
        steps=plan.steps,
        consolidation=_rendered(script.consolidation, proposal),
        extraction=script.extraction,
        task_description=render(script.task_description, {**proposal, "task": task}),
        correction=plan.correction,
        interventions=plan.interventions,
        propositions=tuple(metric for metric in plan.metrics if isinstance(metric, Proposition)),
        start=start,
        seed=_seed(plan),
    )


def _rendered(text: str | None, proposal: Mapping[str, str]) -> str | None:
    return None if text is None else render(text, proposal)


def _specification(persona: Persona, instructions: str | None = None) -> Mapping[str, Any]:
    # A person without these keys cannot be described by the package; None is its own default for them.
    usual = dict.fromkeys(("age", "nationality", "country_of_residence", "occupation"))
    given = json.loads(json.dumps(persona.specification, default=dict))
    if instructions:
        given["instructions"] = instructions  # the package puts the whole specification into the prompt
    return {
        "type": "TinyPerson",
        "persona": {"name": persona.name, **given, **{k: v for k, v in usual.items() if k not in given}},
    }


def _seed(plan: TrialPlan) -> int:
    return int.from_bytes(sha256(f"{plan.seed}:{plan.trial.id}".encode()).digest()[:8])


def _check_travels(function: Callable[[Any], bool] | None, owner: str) -> None:
    try:
        pickle.dumps(function)
    except Exception:
        raise ConfigurationError(
            f"{owner}={function!r} cannot be sent to a worker process; expected ActionsAtLeast or a function "
            "at the top level of an importable module."
        ) from None
