"""Scores and extraction as a model gave them: what counts, and why the rest does not."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any

import pytest
from support.plans import METRICS, PEOPLE, SCRIPT, plan

from harness.engines.tinytroupe.job import JobResult
from harness.engines.tinytroupe.results import count, result_of, score
from harness.model import Event, Measure


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, 7), (0, 0), (9, 9), ("7", 7), (" 8 ", 8), (7.0, 7), (6.5, 6.5), ("6.5", 6.5)],
)
def test_a_number_between_0_and_9_counts(value: Any, expected: float) -> None:
    found, reason = score({"value": value, "justification": "so"})
    assert (found, reason) == (expected, None)
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"value": "7, because"}, "score '7, because' is not a number"),
        ({"value": True}, "score True is not a number"),
        ({"value": None}, "score None is not a number"),
        ({"value": [7]}, "score [7] is not a number"),
        ({"value": math.nan}, "score nan is not a number"),
        ({"value": "nan"}, "score 'nan' is not a number"),
        ({"value": math.inf}, "score inf is not a number"),
        ({"value": 10}, "score 10 is outside 0 to 9"),
        ({"value": "-1"}, "score '-1' is outside 0 to 9"),
        ({"value": 9.01}, "score 9.01 is outside 0 to 9"),
        ({"justification": "7"}, "the judge's answer has no score"),
        (None, "the judge's answer has no score"),
        ([7], "the judge's answer has no score"),
        ({"value": "9" * 500}, f"score {repr('9' * 500)[:100]}… is not a number"),
    ],
)
def test_anything_else_is_missing_with_its_reason(answer: Any, reason: str) -> None:
    assert score(answer) == (None, reason)


@pytest.mark.parametrize(
    ("extracted", "expected"),
    [
        ({"ideas": [1, 2, 3]}, (3, None)),
        ({"ideas": []}, (0, None)),
        (None, (None, "extraction failed: the reply held no JSON")),
        ({}, (None, "extraction failed: the reply held no JSON")),
        ({"ideas": "many"}, (None, "extraction failed: no list 'ideas' in {'ideas': 'many'}")),
        ({"thoughts": [1]}, (None, "extraction failed: no list 'ideas' in {'thoughts': [1]}")),
        ([1, 2], (None, "extraction failed: no list 'ideas' in [1, 2]")),
    ],
)
def test_the_count_of_an_extraction(extracted: Any, expected: tuple[float | None, str | None]) -> None:
    assert SCRIPT.extraction is not None
    assert count(SCRIPT.extraction, extracted) == expected


def test_samples_come_by_metric_and_then_by_person_and_none_is_left_out() -> None:
    scores = {(metric.name, name): {"value": 5} for metric in METRICS[:2] for name in PEOPLE}
    scores["fluency", PEOPLE[1]] = {"value": "well, 5"}
    scores["completion", None] = {"value": "4", "justification": "half done"}
    result = asyncio.run(result_of(plan(), JobResult(scores=scores, extraction={"ideas": [1]})))
    found = [(sample.metric, sample.person, sample.value) for sample in result.samples]
    assert found == [
        *(("adherence", name, 5) for name in PEOPLE),
        *(("fluency", name, value) for name, value in zip(PEOPLE, (5, None, 5), strict=True)),
        ("ideas_qty", None, 1),
        ("completion", None, 4),
    ]
    assert result.samples[4].reason == "score 'well, 5' is not a number"
    assert result.samples[-1].justification == "half done"


def test_measures_are_computed_from_the_transcript() -> None:
    metrics = (
        Measure("talks", lambda events: sum(event.type == "TALK" for event in events)),
        Measure("undefined", lambda events: math.nan),
    )
    quiet = replace(SCRIPT, extraction=None)
    talk = Event(1, "Ana Lima", "action", "TALK", "Well.")
    result = asyncio.run(result_of(plan(metrics=metrics, script=quiet), JobResult(events=[talk, talk])))
    assert [(sample.value, sample.reason) for sample in result.samples] == [
        (2, None),
        (None, "The measure returned nan; expected a finite number."),
    ]
