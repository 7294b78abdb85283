"""Made-up runs for reports: finished trials with conversations, and texts that mean harm."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.model import Trial
from harness.records import Design
from tests.support import records

DESIGN = replace(records.SMALL, panels=(("Ada", "Ben"), ("Cyd", "Dov"), ("Eve", "Fay")), proposals=2, reps=2)
BOUNDARY = "\u2028 \u2029"
HOSTILE = (
    "<script>window.__pwned = 1</script>",
    "</script><script>window.__pwned = 2</script>",
    "<!--<script>",
    '<img src=x onerror="window.__pwned = 3">',
    "<svg/onload=window.__pwned=4>",
    "&lt;b&gt; &notanentity; &#x; &amp",
    "{{ 7 * 7 }} {% raw %}",
    f"line{BOUNDARY}separators",
    "\ud800 half a pair \x00 \x1b[31m",
    "javascript:window.__pwned=5 http://example.invalid/pixel.png",
    "x" * 1_000_000,
)


def score(trial: Trial, metric: str, person: str | None) -> int:
    """A score from 2 to 9 that hangs on its place alone; Treatment's are higher by 1."""
    place = f"{trial.cell.rep}/{trial.panel}/{trial.proposal}/{metric}/{person}"
    return 2 + zlib.crc32(place.encode()) % 7 + (trial.cell.group == "Treatment")


def event(step: int, person: str, type: str, content: str, **more: Any) -> dict[str, Any]:
    kind = "stimulus" if type in ("CONVERSATION", "THOUGHT") else "action"
    return {"step": step, "person": person, "kind": kind, "type": type, "content": content, "source": "",
            "target": "", **more}  # fmt: skip


def conversation(people: Sequence[str], texts: Sequence[str]) -> list[dict[str, Any]]:
    """A broadcast, then each text once as a thought and once as talk."""
    spoken = [
        event(1 + place // len(people), people[place % len(people)], type, text)
        for place, text in enumerate(texts)
        for type in ("THINK", "TALK")
    ]
    return [
        event(0, "", "CONVERSATION", "Welcome to the lamp debate."),
        *spoken,
        event(1, people[0], "DONE", ""),
    ]


def told_trial(trial: Trial, texts: Sequence[str], design: Design = DESIGN, **more: Any) -> dict[str, Any]:
    """A finished trial with a conversation; Treatment's has a correction and an intervention."""
    people = design.panels[trial.panel]
    content: dict[str, Any] = {
        "people": list(people),
        "proposal_fields": {"thing": "a lamp"},
        "transcript": conversation(people, texts),
        "duration": 1.5,
        "started": "2025-11-20T17:41:00+00:00",
    }
    if trial.cell.group == "Treatment":
        attempts = [[f"TALK: rough {texts[0]}"[:5000], 3.0], [f"TALK: polished {texts[0]}"[:5000], 7.0]]
        content["corrections"] = [{"step": 1, "person": people[0], "attempts": attempts, "kept": 1}]
        content["transcript"].append(event(2, people[1], "THOUGHT", "Think of the night.", source="nudge"))
        fired = {
            "step": 2,
            "person": people[1],
            "name": "nudge",
            "fired": True,
            "justification": "it was late",
        }
        content["interventions"] = [fired]
    return records.finished(trial, design, score, **{**content, **more})


def write_run(
    folder: Path,
    *,
    texts: Sequence[str] = ("A plain remark.",),
    provider: str = "openai",
    run_id: str = "r1",
    design: Design = DESIGN,
    experiment: str = "exp_3",
) -> list[Path]:
    """The record files of one whole run."""
    folder.mkdir(parents=True, exist_ok=True)
    return list(_files(folder, texts, provider, run_id, design, experiment))


def _files(
    folder: Path, texts: Sequence[str], provider: str, run_id: str, design: Design, experiment: str
) -> Iterator[Path]:
    for group in design.groups:
        for rep in range(1, design.reps + 1):
            first = records.metadata(group, design=design, run_id=run_id, rep=rep, provider=provider)
            first |= {
                "provider": provider,
                "model": "some-model",
                "experiment": experiment,
                "engine": "embedded",
            }
            trials = [one for one in design.trials(experiment, group) if one.cell.rep == rep]
            lines = [told_trial(one, texts, design, run_id=run_id) for one in trials]
            yield records.write_file(folder / f"{experiment}_{group}_run{rep}_{run_id}.jsonl", first, lines)
