"""The prompts of a run: script, judged claims, corrections and interventions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.reports.data.record_rows import RunRows
from harness.reports.data.tidy import without_places


def prompts(runs: Iterable[RunRows]) -> list[dict[str, Any]]:
    """Per run: its script and metrics, and each group's correction and interventions, as recorded."""
    return [_prompts(run) for run in runs]


def _prompts(run: RunRows) -> dict[str, Any]:
    script = _mapping(run.said("script"))
    population = _mapping(run.said("population"))
    return {
        "experiment": run.experiment,
        "run_id": run.run_id,
        "rehearsal": run.rehearsal,
        "script": {
            "source": script.get("source"),
            "sha256": script.get("sha256"),
            "origin": {str(k): without_places(v) for k, v in sorted(_mapping(script.get("origin")).items())},
            "words": script.get("words"),
        },
        "metrics": run.said("metrics"),
        **({"survey": dict(play)} if (play := _mapping(run.said("play"))).get("survey") else {}),
        "population": {
            "source": without_places(population.get("source")),
            "sha256": population.get("sha256"),
            "people": population.get("people"),
            "panels": [list(panel) for panel in run.design.panels] if run.design else None,
        },
        "groups": {name: _group(run, name) for name in groups_of(run)},
    }


def groups_of(run: RunRows) -> list[str]:
    """The arms in the design's order, or those named by records."""
    if run.design is not None:
        return list(run.design.groups)
    return sorted({str(row["group"]) for row in run.rows})


def first_line(run: RunRows, group: str) -> Mapping[str, Any]:
    """The first metadata line of an arm; empty where there is none."""
    return next((entry for entry in run.metadata if entry.get("group") == group), {})


def _group(run: RunRows, group: str) -> dict[str, Any]:
    line = first_line(run, group)
    words = _mapping(line.get("script")).get("words")
    own = {} if words == _mapping(run.said("script")).get("words") else {"words": words}
    return {
        "correction": line.get("correction"),
        "interventions": line.get("interventions"),
        "settings": _mapping(line.get("group_settings")).get("own"),
        **({"survey": texts} if (texts := _mapping(line.get("group_settings")).get("survey")) else {}),
        **own,
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
