"""The lines of a record file: how a trial's outcome is written down, and what a file holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.model import Event, Sample, TrialFailure, TrialPlan, TrialResult, Usage
from harness.records.read_problems import Problem

FINISHED, FAILED = "finished", "failed"
RESULT, FAILURE = "trial_result", "trial_failure"
COMMON = frozenset(
    {
        "type", "run_id", "trial", "experiment", "group", "rep", "panel", "proposal", "people", "proposal_fields",
        "status", "samples", "transcript", "extraction", "corrections", "interventions", "reason", "kind", "usage",
        "paid", "calls_replayed", "refusals", "rejections", "unsent_options", "unread_settings", "replies",
        "attempt", "started", "ended", "duration",
    }
)  # fmt: skip
"""What `trial_line` writes of any trial; every other key of a record is a detail that its experiment added."""


@dataclass(frozen=True, slots=True)
class RecordSection:
    """A metadata line and the trial records after it. ``metadata`` is empty where its line is lost."""

    metadata: Mapping[str, Any]
    records: list[Mapping[str, Any]] = field(default_factory=list)

    def named(self, key: str) -> str | None:
        """The section's ``experiment``, ``run_id`` or ``group``, from its metadata, else from its records."""
        for source in (self.metadata, *self.records[:1]):
            if source.get(key) is not None:
                return str(source[key])
        return None


@dataclass(frozen=True, slots=True)
class RecordFile:
    """The content of one file. ``sha256`` is of its bytes.

    ``measurements`` are lines of recomputed metrics, ``comparisons`` those of pairwise comparisons.
    """

    path: Path
    sha256: str
    sections: tuple[RecordSection, ...]
    problems: tuple[Problem, ...]
    measurements: tuple[Mapping[str, Any], ...] = ()
    comparisons: tuple[Mapping[str, Any], ...] = ()


def trial_line(
    outcome: TrialResult | TrialFailure,
    plan: TrialPlan,
    *,
    run_id: str,
    usage: Usage,
    attempt: int,
    started: datetime,
    ended: datetime,
    duration: float,
    paid: Usage | None = None,
    calls_replayed: int = 0,
    refusals: int = 0,
    rejections: Sequence[Mapping[str, Any]] = (),
    unsent_options: Sequence[str] = (),
    replies: Mapping[str, Any] | None = None,
    transcript: Sequence[Event] = (),
) -> dict[str, Any]:
    """The record of one try of a trial: ``trial_result`` when it finished, else ``trial_failure``.

    ``attempt`` counts from 1; ``started`` and ``ended`` are aware datetimes; ``duration`` is in seconds.

    ``usage`` is what this try cost, in all sessions that worked on it: all lines together add up to the run's cost.
    ``paid`` is what all tries of the trial cost so far. ``calls_replayed`` counts calls that were answered from the
    journal, paid before; ``refusals`` those that the model declined; ``rejections`` are rejected replies.
    ``unsent_options`` are declared model options that no call carried. ``replies``
    says how many replies were used, and what was done to read them. ``transcript`` is what there was of a failed trial.
    """
    result = isinstance(outcome, TrialResult)
    return dict(outcome.details) | {
        "type": plan.record_type if result else FAILURE,
        "run_id": run_id,
        **_coordinates(plan),
        "status": FINISHED if result else FAILED,
        **(_result(outcome) if isinstance(outcome, TrialResult) else _failure(outcome)),
        "usage": usage_line(usage),
        "paid": usage_line(usage if paid is None else paid),
        "calls_replayed": calls_replayed,
        "refusals": refusals,
        "rejections": [dict(one) for one in rejections],
        **({"unsent_options": list(unsent_options)} if unsent_options else {}),
        **({"transcript": [_event(event) for event in transcript]} if transcript else {}),
        "replies": dict(replies or {}),
        "attempt": attempt,
        "started": _utc(started),
        "ended": _utc(ended),
        "duration": duration,
    }


def _coordinates(plan: TrialPlan) -> dict[str, Any]:
    trial = plan.trial
    return {
        "trial": trial.id,
        "experiment": trial.cell.experiment,
        "group": trial.cell.group,
        "rep": trial.cell.rep,
        "panel": trial.panel,
        "proposal": trial.proposal,
        "people": [persona.name for persona in plan.personas],
        "proposal_fields": dict(plan.proposal),
    }


def _result(result: TrialResult) -> dict[str, Any]:
    return {
        "samples": [sample_line(sample) for sample in result.samples],
        "transcript": [_event(event) for event in result.transcript],
        "extraction": result.extraction,
        "corrections": [
            {"step": c.step, "person": c.person, "attempts": [list(a) for a in c.attempts], "kept": c.kept}
            for c in result.corrections
        ],
        "interventions": [dict(intervention) for intervention in result.interventions],
    }


def _failure(failure: TrialFailure) -> dict[str, Any]:
    return {"reason": failure.reason, "kind": failure.kind}


def sample_line(sample: Sample) -> dict[str, Any]:
    """A sample in its record format."""
    value, reason = sample.value, sample.reason
    if value is not None and not math.isfinite(value):
        value, reason = None, reason or f"the value was {value}, which is not a valid JSON number"
    return {
        "metric": sample.metric,
        "person": sample.person,
        "value": value,
        "reason": reason,
        "justification": sample.justification,
        **({"raised": True} if sample.raised else {}),
    }


def _event(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__slots__}


def usage_line(usage: Usage) -> Mapping[str, Any]:
    """What calls cost, in its record format."""
    return {
        "calls": dict(usage.calls),
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        "cost": usage.cost,
        "cost_reason": usage.cost_reason,
        "models": [
            {"model": one.model or None, "fingerprint": one.fingerprint, "replies": one.replies}
            for one in usage.models
        ],
        **({"usage_faults": dict(usage.usage_faults)} if usage.usage_faults else {}),
        **({"roles": {role: dict(models) for role, models in usage.roles.items()}} if usage.roles else {}),
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
