"""When a resumed trial asks something else than its journal has, and when it only seems to."""

from __future__ import annotations

import json

import pytest

from harness.gateway.calls import CallSite, Reply
from harness.gateway.journal.divergence import DIFF_LINES, replaced_by, request_difference
from harness.gateway.journal.replay import JournaledReply, TrialSamples

SAY, SCORE = CallSite("say"), CallSite("score")


def entry(
    digest: str, sent: float, *, site: CallSite = SAY, verdict: str = "accepted", seconds: float = 0.5
) -> JournaledReply:
    return JournaledReply(site, digest, 0, 0, 1, Reply(digest), verdict, sent=sent, seconds=seconds)  # type: ignore[arg-type]


ONE_TWO = (entry("one", 1), entry("two", 2))


@pytest.mark.parametrize(
    ("journaled", "asked", "replaced"),
    [
        (ONE_TWO, ["other"], "one"),
        (ONE_TWO, ["one", "other"], "two"),
        (ONE_TWO, ["one", "two", "three"], None),
        (ONE_TWO, ["one"], None),
        ((), ["one"], None),
        ((entry("two", 2), entry("one", 1)), ["other"], "one"),
        ((entry("one", 1), entry("two", 1.2)), ["other"], None),
        ((entry("one", 1, verdict="rejected"), entry("two", 2)), ["other"], None),
        ((entry("one", 1, verdict="unacceptable"), entry("two", 2)), ["one", "other"], "two"),
        ((entry("one", 1, site=SCORE), entry("two", 2)), ["two", "other"], None),
        (ONE_TWO, ["two", "other"], "two claimed"),
    ],
)
def test_only_a_changed_request_in_the_place_of_a_journaled_one_counts(
    journaled: tuple[JournaledReply, ...], asked: list[str], replaced: str | None
) -> None:
    samples = TrialSamples(1)
    samples.remember(journaled)
    slots = [samples.reserve(SAY, digest) for digest in asked]
    found = replaced_by(slots[-1], samples)
    assert (found and found.digest) == (None if replaced == "two claimed" else replaced)


@pytest.mark.parametrize("way", ["new reply", "rejection"])
def test_after_a_new_reply_or_a_rejection_the_trial_goes_its_own_way(way: str) -> None:
    samples = TrialSamples(1)
    samples.remember(ONE_TWO)
    samples.reserve(SAY, "one")
    if way == "rejection":
        samples.reject(ONE_TWO[0], "useless")
    else:
        samples.is_own_way = True
    assert replaced_by(samples.reserve(SAY, "other"), samples) is None


def body(content: object, **fields: object) -> str:
    return json.dumps([[{"role": "user", "content": content}], "", None, None, None, fields])


def test_the_difference_shows_the_changed_lines_alone() -> None:
    then, now = body("Say a word.\nBe kind.", top_p=1), body("Say two words.\nBe kind.", top_p=0.5)
    assert request_difference(then, now).split("\n") == [
        "    -Say a word.", "    +Say two words.", "    -top_p: 1", "    +top_p: 0.5",
    ]  # fmt: skip


def test_a_long_difference_is_cut() -> None:
    found = request_difference(body("a\n" * 99 + "x" * 999), body([{"type": "text", "text": "y"}])).split(
        "\n"
    )
    assert len(found) == DIFF_LINES + 1 and "more lines" in found[-1]
    assert max(map(len, found)) < 120
