"""Replies of no use, and refusals: counted by arm, with their denominators."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model import Level
from tests.support.instruments import bad, each, filed, sound, the
from tests.support.records import failed, trials


def rejected(count: int) -> list[dict[str, Any]]:
    """A run in which ``count`` of each of Treatment's trials' 10 replies were rejected."""
    one = {"kind": "score_person", "reason": "not JSON (Expecting value: line 1)", "text": "Well, 7?"}
    return each(sound(), "Treatment", lambda record: record.update(rejections=[one] * count))


@pytest.mark.parametrize(("count", "level"), [(1, Level.WARN), (3, Level.FAIL)])
def test_rejected_replies_are_counted_by_arm(count: int, level: Level) -> None:
    run = filed(rejected(count))
    assert bad(run) == {("unparseable", "Treatment"): level}
    said = f"{12 * count} of 120 replies were rejected; most often score_person: not JSON"
    assert the(run, "unparseable", "Treatment").message == said


def test_rejections_of_tries_that_failed_count_too() -> None:
    trial = next(trials(filed([]).design, groups=["Control"]))
    usage = {"calls": {"act": 40}}
    again = failed(trial, rejections=[{"kind": "act", "reason": "empty"}] * 40, usage=usage)
    run = filed([*sound(), again])
    assert (
        the(run, "unparseable", "Control").message == "40 of 160 replies were rejected; most often act: empty"
    )


def refused(arm: str, count: int) -> list[dict[str, Any]]:
    records = sound()
    for record in [record for record in records if record["group"] == arm][:count]:
        record["refusals"] = 2
    return records


@pytest.mark.parametrize(("count", "level"), [(0, Level.PASS), (1, Level.WARN), (6, Level.WARN)])
def test_refusals_are_counted_in_trials(count: int, level: Level) -> None:
    assert the(filed(refused("Treatment", count)), "refusals").level is level


def test_arms_are_compared_by_an_exact_test() -> None:
    found = the(filed(refused("Treatment", 6)), "refusals")
    said = "the model declined in 0 of 12 in Control, 6 of 12 in Treatment trials; Fisher's exact p = 0.0137"
    assert found.message == said


def test_a_refused_score_is_a_refusal_though_no_count_says_so() -> None:
    records = sound()
    records[0]["samples"][0] |= {"value": None, "reason": "refused: 'I cannot judge that.'"}
    assert ("refusals", "Treatment against Control") in bad(filed(records))


def wrapped(arm: str, count: int, wrapping: str = "fence", **more: int) -> list[dict[str, Any]]:
    """A run in which the JSON of ``count`` of each of ``arm``'s trials' 10 replies was wrapped."""
    replies = {
        "used": 10,
        "with_thoughts": 0,
        "unreadable_arguments": 0,
        **more,
        "unwrapped": {wrapping: count},
    }
    return each(sound(), arm, lambda record: record.update(replies=replies))


@pytest.mark.parametrize("wrapping", ["fence", "prose", "string"])
def test_json_in_other_words_is_counted_by_arm(wrapping: str) -> None:
    run = filed(wrapped("Treatment", 1, wrapping))
    assert bad(run) == {("unwrapped", "Treatment"): Level.WARN, ("unwrapped", "Control"): Level.WARN}
    found = the(run, "unwrapped", "Treatment")
    place = wrapping if wrapping == "prose" else f"a {wrapping}"
    assert found.message == f"the JSON of 12 of 120 replies was wrapped in other text (12 in {place})"
    assert found.number == 0.1


def test_thoughts_and_end_tokens_are_a_templates_doing() -> None:
    run = filed(wrapped("Treatment", 10, "thoughts", with_thoughts=10))
    assert bad(run) == {}
    said = "the JSON of 0 of 120 replies was wrapped in other text (120 after thoughts); reasoning was separated in 120"
    assert the(run, "unwrapped", "Treatment").message == said
    assert bad(filed(wrapped("Control", 10, "end token"))) == {}


@pytest.mark.parametrize("replies", [None, {}, [], "none", {"used": "ten", "unwrapped": []}])
def test_records_that_do_not_say_how_replies_were_read_are_no_fault(replies: Any) -> None:
    run = filed(each(sound(), "Treatment", lambda record: record.update(replies=replies)))
    found = the(run, "unwrapped", "Treatment")
    assert (found.level, found.number, found.message) == (
        Level.PASS,
        None,
        "no record of how replies were parsed",
    )
