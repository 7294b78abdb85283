"""Identical replies: a cache shared by arms, one seed for all reps; and what only looks like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.model import Level
from tests.support.instruments import bad, event, filed, first_lines, sound, the, words

Key = Callable[[dict[str, Any]], object]


def copied(key: Key, *, steps: int = 3) -> list[dict[str, Any]]:
    """A run in which what people say depends on ``key`` of the trial alone, for the first ``steps`` utterances."""
    records = sound()
    for one in records:
        said = [e for e in one["transcript"] if e["kind"] == "action" and e["content"]]
        for number, utterance in enumerate(said):
            if number % 3 < steps:
                utterance["content"] = words("shared", key(one), utterance["person"], number)
    return records


def place(*names: str) -> Key:
    return lambda one: [one[name] for name in names]


def test_a_cache_that_both_arms_share() -> None:
    assert bad(filed(copied(place("rep", "panel", "proposal")))) == {
        ("identical replies", "Treatment and Control"): Level.FAIL
    }


def test_one_seed_for_all_reps() -> None:
    assert bad(filed(copied(place("group", "panel", "proposal")))) == {
        ("identical replies", "reps of Control"): Level.FAIL,
        ("identical replies", "reps of Treatment"): Level.FAIL,
    }


def test_the_first_words_alone_are_enough() -> None:
    found = the(
        filed(copied(place("rep", "panel", "proposal"), steps=1)),
        "identical replies",
        "Treatment and Control",
    )
    assert (found.level, found.number) == (Level.FAIL, 1 / 3)


def add(text: str, kind: str = "action") -> list[dict[str, Any]]:
    """A run in which somebody in every trial says, or is told, ``text``."""
    records = sound()
    for one in records:
        one["transcript"].append(event(kind, text, one["people"][0]))
    return records


@pytest.mark.parametrize(
    "records",
    [
        add("DONE"),
        add("I agree with what was said, and I have nothing to add to it."),
        add(words("a long request to everyone"), "stimulus"),
        add("keep to what was agreed on at the beginning of this evening"),
    ],
    ids=["done", "short", "stimulus", "short quotation"],
)
def test_what_is_no_copy(records: list[dict[str, Any]]) -> None:
    assert bad(filed(records)) == {}


def test_whoever_repeats_a_request_word_for_word_copies_nobody() -> None:
    records = sound()
    for one in records:
        request = one["transcript"][0]["content"]
        assert len(request) > 80
        one["transcript"].append(event("action", request[:-1], one["people"][0]))
    assert bad(filed(records)) == {}


def test_a_single_quotation_is_below_the_threshold_and_is_counted() -> None:
    records, text = sound(), words("one remark")
    for one in records[:2]:
        one["transcript"][1]["content"] = text
    found = the(filed(records), "identical replies", "Treatment and Control")
    assert (found.level, found.message) == (
        Level.WARN,
        "2 of 144 long messages also occur verbatim in another trial",
    )


def test_without_transcripts_nothing_can_be_told_and_that_is_said() -> None:
    slim = [{**one, "transcript": []} for one in sound()]
    found = the(filed(slim, first_lines()), "identical replies", "Treatment and Control")
    assert (found.level, found.number, found.message) == (
        Level.PASS,
        None,
        "no message is long enough to compare",
    )
