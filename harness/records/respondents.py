"""Who answered, and on what scales, as the first lines of a run's files say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from harness.model import MAX_SCORE, MIN_SCORE, Respondents, Scale
from harness.records.artifact import number
from harness.records.filed_runs import FiledRun
from harness.records.people import people_of, sample_design


def respondents_of(run: FiledRun) -> Respondents:
    """The personas' attributes and weights, and how they were sampled; arms with their own populations add theirs.

    Attributes and weights were kept beside the records (`harness.records.people`). Weights that are not positive
    numbers are left out.
    """
    attributes: dict[str, dict[str, Any]] = {}
    weights: dict[str, float] = {}
    for people in people_of(run.folder, run.metadata).values():
        for name, person in people.items():
            for attribute, value in person.attributes.items():
                attributes.setdefault(attribute, {}).setdefault(name, value)
            if 0 < person.weight < math.inf:
                weights.setdefault(name, person.weight)
    return Respondents(attributes, weights, sample_design(run.metadata))


def scales_of(run: FiledRun) -> dict[str, Scale]:
    """Metric → its scale: a proposition's is the judge's, an item's the one that was declared with it."""
    found: dict[str, Scale] = {}
    for line in run.metadata:
        settings = _mapping(line.get("settings"))
        words = dict(_words(_mapping(settings.get("play")).get("survey")))
        for one in settings.get("metrics") or ():
            if (
                isinstance(one, Mapping)
                and (scale := _scale(one, words.get(str(one.get("name"))))) is not None
            ):
                found.setdefault(str(one.get("name")), scale)
    return found


def _words(items: Any) -> Iterator[tuple[str, dict[float, str]]]:
    """Metric → the words of its points, from the items of a survey; two words of a longer scale are its ends'."""
    for item in items if isinstance(items, list | tuple) else ():
        item = _mapping(item)
        if item.get("type") == "yes_no":
            yield str(item.get("name")), {0.0: "no", 1.0: "yes"}
        for option in item.get("options") or ():
            yield f"{item.get('name')}={option}", {0.0: "other", 1.0: str(option)}
        labels = [str(one) for one in item.get("labels") or ()]
        points = item.get("points") or len(labels)
        if len(labels) < 2 or not isinstance(points, int):
            continue
        places = range(1, points + 1) if len(labels) == points else (1, points)
        words = dict(zip(map(float, places), labels, strict=False))
        yield str(item.get("name")), words
        yield from ((f"{item.get('name')}[{row}]", words) for row in item.get("rows") or ())


def panels_of(run: FiledRun) -> tuple[tuple[str, ...], ...]:
    """The people of each panel; empty for a dialogue, whose personas are users of the agent that is studied."""
    plays = (_mapping((line.get("settings") or {}).get("play")) for line in run.metadata)
    return () if any("agent" in play for play in plays) else run.design.panels


def _scale(metric: Mapping[str, Any], words: Mapping[float, str] | None = None) -> Scale | None:
    label, ends = str(metric.get("label") or ""), metric.get("scale")
    low = high = None
    if isinstance(ends, list | tuple) and len(ends) == 2:
        low, high = map(number, ends)
    elif metric.get("claim") is not None:
        low, high = float(MIN_SCORE), float(MAX_SCORE)
    points = words or {}
    return Scale(low, high, label, points) if label or points or low is not None else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
