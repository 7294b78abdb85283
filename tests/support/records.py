"""Made-up records: lines as a session writes them, without a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.model import Trial
from harness.records import Design, JSONLWriter
from harness.records.reader import TrialHistory, outcomes

START = datetime(2025, 11, 20, 17, 41, tzinfo=UTC)
SMALL = Design(
    groups=("Control", "Treatment"),
    metrics=("Fluency", "ideas_qty", "Divergence"),
    person_metrics=("Fluency",),
    panels=(("Ada", "Ben"), ("Cyd", "Dov")),
    proposals=2,
    reps=2,
)

Value = Callable[[Trial, str, str | None], Any]


def some_value(trial: Trial, _: str, person: str | None) -> int:
    """A score that tells where it came from: the panel, proposal, rep and person."""
    people = [name for panel in SMALL.panels for name in panel]
    who = people.index(person) if person in people else 0
    return 1000 * (trial.panel + 1) + 100 * trial.proposal + 10 * trial.cell.rep + who


def finished(
    trial: Trial, design: Design, value: Value = some_value, *, second: int = 0, **more: Any
) -> dict[str, Any]:
    """A ``trial_result`` with every sample of the design."""
    samples = [
        {"metric": metric, "person": person, "value": value(trial, metric, person), "reason": None}
        for metric in design.metrics
        for person in design.expected(trial.panel, metric)
    ]
    return {
        "type": "trial_result",
        "status": "finished",
        "samples": samples,
        **_common(trial, second),
        **more,
    }


def failed(trial: Trial, reason: str = "no reply", *, second: int = 0, **more: Any) -> dict[str, Any]:
    """A ``trial_failure``."""
    return {
        "type": "trial_failure",
        "status": "failed",
        "reason": reason,
        "kind": "ModelCallError",
        **_common(trial, second),
        **more,
    }


def trials(design: Design, experiment: str = "exp_3", groups: Sequence[str] | None = None) -> Iterator[Trial]:
    """Every planned trial of ``groups``, or of all."""
    for group in design.groups if groups is None else groups:
        yield from design.trials(experiment, group)


def all_finished(design: Design, value: Value = some_value) -> dict[str, TrialHistory]:
    """The outcomes of a run in which everything went well."""
    return outcomes(finished(trial, design, value) for trial in trials(design))


def metadata(
    group: str = "Control", *, design: Design = SMALL, run_id: str = "r1", rep: int = 1, **settings: Any
) -> dict[str, Any]:
    """A metadata line."""
    return {
        "type": "run_metadata",
        "run_id": run_id,
        "experiment": "exp_3",
        "group": group,
        "rep": rep,
        "provider": "rehearsal",
        "settings": {"model": "rehearsal", "temperature": 1.2, **settings},
        "group_settings": {"correction": None},
        "design": design.to_metadata(),
    }


def write_file(path: Path, first: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> Path:
    """A record file, written as a session does."""
    with JSONLWriter(path, metadata=first) as writer:
        for record in records:
            writer.write(record)
    return writer.path


def _common(trial: Trial, second: int) -> dict[str, Any]:
    return {
        "run_id": "r1",
        "trial": trial.id,
        "experiment": trial.cell.experiment,
        "group": trial.cell.group,
        "rep": trial.cell.rep,
        "panel": trial.panel,
        "proposal": trial.proposal,
        "usage": {"calls": {"act": 2}, "tokens_in": 30, "tokens_out": 4, "cost": None},
        "attempt": 1,
        "ended": (START + timedelta(seconds=second)).isoformat(timespec="microseconds"),
    }
