"""A run in which nothing is wrong with the instrument, to plant one fault in."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from harness.checks import examine
from harness.model import Check, Level, Trial
from harness.records import Design, FiledRun, outcomes
from tests.support.records import START, finished, trials

DESIGN = Design(
    groups=("Control", "Treatment"),
    metrics=("Fluency", "ideas_qty", "Divergence"),
    person_metrics=("Fluency",),
    panels=(("Ada", "Ben"), ("Cyd", "Dov")),
    proposals=3,
    reps=2,
)
EFFECT = (
    "I have said the same thing for a while now; I should come up with something new and unusual instead."
)
CORRECTION = {"enabled": True, "quality_threshold": 5, "max_attempts": 2, "regeneration": True}
NUDGE = {"name": "variety", "functional": None, "textual": None, "effect": EFFECT}
METRICS = [{"name": name, "claim": f"They score well in {name}."} for name in ("Fluency", "Divergence")]
Records = list[dict[str, Any]]


def chance(*key: object) -> random.Random:
    """A generator of its own for each key, the same on every machine."""
    return random.Random(repr(key))


def words(*key: object, count: int = 16) -> str:
    """Some made-up words, different for different keys."""
    rng = chance("words", *key)
    return " ".join("".join(rng.choices("bcdfghjklmnprstvwz", k=6)) for _ in range(count)) + "."


def event(kind: str, text: str, person: str = "", source: str = "", type_: str = "") -> dict[str, Any]:
    """A line of a transcript."""
    type_ = type_ or ("TALK" if kind == "action" else "CONVERSATION")
    return {
        "step": 1,
        "person": person,
        "kind": kind,
        "type": type_,
        "content": text,
        "source": source,
        "target": "",
    }


def score(trial: Trial, metric: str, person: str | None) -> int:
    return chance("score", trial.id, metric, person).choice((3, 4, 5, 6, 6, 7, 8))


def record(trial: Trial, number: int, design: Design = DESIGN) -> dict[str, Any]:
    """The record of a finished trial, ``number`` minutes into the run; two people say something and are done."""
    people = design.panels[trial.panel]
    script = f"Please discuss motion {trial.proposal}; keep to what was agreed on at the beginning of this evening."
    transcript = [event("stimulus", script)]
    for person in people:
        transcript += [event("action", words(trial.id, person, n), person) for n in range(3)]
        transcript.append(event("action", "", person, type_="DONE"))
    begin = START + timedelta(minutes=number)
    found = finished(trial, design, score)
    return found | {
        "people": list(people),
        "transcript": transcript,
        "usage": {
            "calls": {"act": 8, "score_person": 2},
            "models": [{"model": "player-1", "fingerprint": "fp_1", "replies": 10}],
        },
        "refusals": 0,
        "rejections": [],
        "replies": {"used": 10, "with_thoughts": 0, "unreadable_arguments": 0, "unwrapped": {}},
        "started": begin.isoformat(),
        "ended": (begin + timedelta(seconds=50)).isoformat(),
    }


def sound(design: Design = DESIGN) -> Records:
    """The records of a whole run; the arms of each block one after the other, by turns which is first."""
    found: Records = []
    control, *others = (list(trials(design, groups=[group])) for group in design.groups)
    for turn, arms in enumerate(zip(control, *others, strict=True)):
        for trial in arms if turn % 2 else reversed(arms):
            found.append(record(trial, len(found), design))
    return found


def first_lines(**changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One first line per arm; ``changes`` are by arm."""
    return [
        {
            "type": "run_metadata",
            "run_id": "r1",
            "experiment": "exp_3",
            "group": group,
            "engine": "embedded",
            "mode": "paper",
            "provider": "openai",
            "model": "player-1",
            "judge_model": "judge-1",
            "temperature": 1.0,
            "seed": 0,
            "harness_version": "0.1.0",
            "git_commit": "c0ffee",
            "correction": CORRECTION if group == "Treatment" else {"enabled": False},
            "interventions": [NUDGE] if group == "Treatment" else [],
            "script": {"sha256": "ab12", "words": {"task": "Discuss the motion."}},
            "settings": {"experiment": "exp_3", "steps": 5, "metrics": METRICS, "code": {"engine": "e" * 16}},
            "group_settings": {"interventions": [NUDGE] if group == "Treatment" else []},
            **changes.get(group, {}),
        }
        for group in ("Control", "Treatment")
    ]


def filed(
    records: Iterable[Mapping[str, Any]],
    lines: Iterable[Mapping[str, Any]] | None = None,
    design: Design = DESIGN,
) -> FiledRun:
    """A run of these records, as its files would tell it."""
    given = first_lines() if lines is None else lines
    return FiledRun("exp_3", "r1", Path(), (), design, outcomes(records), tuple(given))


def bad(run: FiledRun) -> dict[tuple[str, str], Level]:
    """What the checks find: (name, about) → level, of each WARN and FAIL."""
    return {(one.name, one.about): one.level for one in examine(run) if one.level is not Level.PASS}


def the(run: FiledRun, name: str, about: str | None = None) -> Check:
    """The one check of that name."""
    (found,) = [one for one in examine(run) if one.name == name and about in (None, one.about)]
    return found


def each(records: Records, group: str, change: Callable[[dict[str, Any]], object]) -> Records:
    """``records`` after ``change`` was made to each of ``group``."""
    for one in records:
        if one["group"] == group:
            change(one)
    return records


def scored(records: Records, metric: str, value: Callable[[dict[str, Any], str | None], Any]) -> Records:
    """``records`` with the values of ``metric`` replaced; ``None`` is a missing one."""
    for one in records:
        for sample in one["samples"]:
            if sample["metric"] == metric:
                sample["value"] = value(one, sample["person"])
                sample["reason"] = None if sample["value"] is not None else "extraction failed"
    return records
