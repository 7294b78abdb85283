"""How many model calls a trial of a conversation makes, by kind: the least and the most."""

from __future__ import annotations

from collections import Counter
from typing import Any

from harness.model import Proposition, TrialPlan


def sizes(trial: TrialPlan) -> dict[str, Any]:
    """What an engine's formula is computed from."""
    about = Counter(metric.about for metric in trial.metrics if isinstance(metric, Proposition))
    return {
        "people": len(trial.personas),
        "steps": trial.steps,
        "correction": trial.correction is not None,
        "interventions": sum(one.textual is not None for one in trial.interventions),
        "person_metrics": about["person"],
        "panel_metrics": about["panel"],
        "extraction": trial.script.extraction is not None,
    }


def with_regenerations(calls: dict[str, int], trial: TrialPlan) -> dict[str, int]:
    """The ``calls`` of a trial in which every turn is sent back as often as the correction allows."""
    most, correction = Counter(calls), trial.correction
    if correction is not None and correction.regeneration:
        most["regenerate"] += correction.max_attempts * calls["act"]
        for kind in ("quality_check", "combine"):  # each new attempt has its own
            most[kind] += correction.max_attempts * calls.get(kind, 0)
    return most
