"""Scores, measures and extraction: values, and the reasons where there is none."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest
from support.clients import FakeClient, score, well_behaved
from support.plans import METRICS, PEOPLE, plan

from harness.engines.embedded import EmbeddedEngine
from harness.errors import ModelCallError
from harness.gateway.calls import CallSite, Request
from harness.model import Measure, Sample, TrialResult


def run(client: FakeClient, **changes: Any) -> TrialResult:
    return asyncio.run(EmbeddedEngine().run(plan(**changes), client))


def only(kind: str, answer: Any) -> FakeClient:
    return FakeClient(lambda r, s: answer if s.kind == kind else well_behaved(r, s))


def of(result: TrialResult, metric: str) -> list[Sample]:
    return [sample for sample in result.samples if sample.metric == metric]


@pytest.mark.parametrize("value", [12, "7", 3.5, None, True])
def test_a_score_that_is_none_is_missing_with_its_reason(value: Any) -> None:
    client = only("score_panel", score(value))
    (sample,) = of(run(client), "completion")
    assert sample.value is None
    assert "expected a whole number 0 to 9" in str(sample.reason)
    assert client.counts["score_panel"] == 1
    assert len(client.rejected) == 1


def test_a_call_that_fails_in_a_score_fails_the_trial() -> None:
    with pytest.raises(ModelCallError, match="no more money"):
        run(only("score_person", ModelCallError("no more money")))


def test_the_evidence_of_a_person_is_what_that_person_lived_through() -> None:
    client = FakeClient()
    run(client)
    for request, site in client.of("score_person"):
        told = str(request.messages)
        assert f"thought of {site.person} at 2" in told
        assert not any(f"thought of {name} at 2" in told for name in PEOPLE if name != site.person)


def test_extraction_counts_and_keeps_the_fields_asked_for() -> None:
    items = [{"name": "a", "description": "b", "extra": "c"}, {"name": "x" * 100_000}]
    result = run(only("extract", {"ideas": items}))
    assert [s.value for s in of(result, "ideas_qty")] == [2]
    assert result.extraction["ideas"][0] == {"name": "a", "description": "b"}
    assert len(result.extraction["ideas"][1]["name"]) < 5_000
    assert result.extraction["ideas"][1]["description"] == ""


def test_an_empty_list_is_a_count_of_nought() -> None:
    assert [s.value for s in of(run(only("extract", {"ideas": []})), "ideas_qty")] == [0]


@pytest.mark.parametrize(
    "data", [None, [], {}, {"ideas": "one, two"}, {"ideas": ["one"]}, {"ideas": [{}] * 1_001}]
)
def test_a_failed_extraction_is_asked_again_and_then_missing(data: Any) -> None:
    client = only("extract", data)
    result = run(client)
    (sample,) = of(result, "ideas_qty")
    assert sample.value is None
    assert str(sample.reason).startswith("Extraction failed: extract of Ana Lima at step 3: The ")
    assert result.extraction is None
    assert (client.counts["extract"], len(client.rejected)) == (3, 3)
    assert [s.value for s in of(result, "adherence")] == [7, 7, 7]


def test_an_extraction_that_comes_right_the_second_time_counts() -> None:
    replies = iter([{"wrong": []}, {"ideas": [{"name": "a", "description": "b"}]}])

    def answer(request: Request, site: CallSite) -> Any:
        return next(replies) if site.kind == "extract" else well_behaved(request, site)

    assert [s.value for s in of(run(FakeClient(answer)), "ideas_qty")] == [1]


def test_a_call_that_fails_in_the_extraction_is_a_missing_sample_unless_it_is_fatal() -> None:
    (sample,) = of(run(only("extract", ModelCallError("too long"))), "ideas_qty")
    assert sample.reason == "Extraction failed: too long"
    with pytest.raises(ModelCallError, match="no key"):
        run(only("extract", ModelCallError("no key", fatal=True)))


def talks(events: Sequence[Any]) -> float:
    return sum(event.type == "TALK" for event in events)


def broken(events: Sequence[Any]) -> float:
    raise LookupError(f"{len(events)} events and no answer")


@pytest.mark.parametrize(
    ("function", "value", "reason"),
    [
        (talks, 10, None),
        (lambda _: 0.5, 0.5, None),
        (lambda _: None, None, "has no answer"),
        (lambda _: math.nan, None, "returned nan; expected a finite number"),
        (lambda _: math.inf, None, "returned inf; expected a finite number"),
        (lambda _: "many", None, "raised ValueError"),
        (broken, None, "raised LookupError: 33 events and no answer"),
    ],
)
def test_measures(function: Any, value: Any, reason: str | None) -> None:
    result = run(FakeClient(), metrics=(*METRICS, Measure("own", function)))
    (sample,) = of(result, "own")
    assert sample.value == value
    assert (reason is None and sample.reason is None) or str(reason) in str(sample.reason)
