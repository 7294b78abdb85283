"""Replies that are garbage, huge or forged; memories that would grow without end."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clients import FakeClient, say, well_behaved
from support.plans import PEOPLE, plan

from harness.engines.embedded import EmbeddedEngine, schemas
from harness.engines.embedded.judge import NO_ACTION
from harness.engines.embedded.model_requests import Unusable
from harness.engines.embedded.persona import Memory, Person
from harness.engines.embedded.scoring import read_score
from harness.engines.embedded.transcript import clean, newest
from harness.engines.embedded.turn import DONE, EMPTY, MAX_ACTIONS, MAX_CONTENT, Action, find, read_turn
from harness.errors import ModelCallError
from harness.gateway.calls import Reply, Request
from harness.gateway.replies.acceptance import UnacceptableError, accept
from harness.model import Event, Persona

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("actions"), inner),
    max_leaves=12,
)
ACTION = st.fixed_dictionaries(
    {"type": st.sampled_from(["TALK", "THINK", "DONE", "EXEC", None])},
    optional={"content": JSON, "target": st.sampled_from(["Bo Strand", "bo", "", "nobody"]) | JSON},
)


def talk(content: Any) -> dict[str, Any]:
    return {"type": "TALK", "content": content, "target": ""}


@given(data=JSON | st.fixed_dictionaries({"actions": st.lists(ACTION, max_size=30)}))
def test_whatever_comes_is_a_bounded_turn_or_unusable(data: Any) -> None:
    try:
        turn = read_turn(data, ("Bo Strand", "Cy Okoro"))
    except Unusable:
        return
    assert 1 <= len(turn) <= MAX_ACTIONS
    assert turn[-1] == DONE
    assert all(action.type in ("THINK", "TALK") and action.content for action in turn[:-1])
    assert all(action.target in ("", "Bo Strand") for action in turn)
    "".join(action.content for action in turn).encode()


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([talk("a")], ["a"]),
        ([talk("a"), {"type": "DONE"}, talk("after the end")], ["a"]),
        ([talk("a"), {"type": "RUN", "content": "rm"}, 7, None, talk("b")], ["a", "b"]),
        ([talk("  "), talk(None), talk(["x"]), talk("b")], ["b"]),
        ([talk(str(n)) for n in range(50)], [str(n) for n in range(MAX_ACTIONS - 1)]),
        ([talk("a\x00\x1b[31m\u202eb\ud800")], ["a[31mb"]),
    ],
)
def test_actions_are_filtered(actions: list[Any], expected: list[str]) -> None:
    assert [action.content for action in read_turn({"actions": actions}, ())] == [*expected, ""]


def test_an_empty_turn_is_asked_for_again_and_then_stays_empty() -> None:
    nothing = {"actions": [talk(" ")]}
    client = FakeClient(
        lambda r, s: nothing if (s.kind, s.person) == ("act", PEOPLE[0]) else well_behaved(r, s)
    )
    result = asyncio.run(EmbeddedEngine().run(plan(), client))
    mine = [event.type for event in result.transcript if event.person == PEOPLE[0] and event.kind == "action"]
    assert set(mine) == {"DONE"}
    assert [reason for _, reason in client.rejected] == [EMPTY] * 3 * len(mine)


def test_nothing_is_scored_for_a_person_who_did_nothing() -> None:
    nothing = {"actions": [talk("")]}
    client = FakeClient(lambda r, s: nothing if s.person == PEOPLE[0] else well_behaved(r, s))
    result = asyncio.run(EmbeddedEngine().run(plan(), client))
    mine = [sample for sample in result.samples if sample.person == PEOPLE[0]]
    others = [sample for sample in result.samples if sample.person not in (PEOPLE[0], None)]
    assert mine and all(one.value is None and one.reason == NO_ACTION for one in mine)
    assert others and all(one.value is not None for one in others)
    assert not [site for _, site in client.calls if site.kind == "score_person" and site.person == PEOPLE[0]]


GARBAGE = [None, "hello", [], {}, {"actions": "x"}, {"actions": [{"type": "FLY"}, 3]}]


@pytest.mark.parametrize("data", GARBAGE)
def test_a_reply_without_any_action_is_rejected_and_asked_again(data: Any) -> None:
    replies = iter([data])
    client = FakeClient(lambda r, s: next(replies, well_behaved(r, s)))
    asyncio.run(EmbeddedEngine().run(plan(), client))
    assert [
        reason.startswith(("The reply has no list", "None of the 2")) for _, reason in client.rejected
    ] == [True]


@pytest.mark.parametrize("data", GARBAGE)
def test_nothing_but_garbage_fails_the_trial(data: Any) -> None:
    with pytest.raises(ModelCallError, match=r"act of Ana Lima at step 0: .* Asked 3 time"):
        asyncio.run(EmbeddedEngine().run(plan(), FakeClient(lambda *_: data)))


def test_a_megabyte_is_cut() -> None:
    client = FakeClient(lambda r, s: say("x" * 1_000_000) if s.kind == "act" else well_behaved(r, s))
    result = asyncio.run(EmbeddedEngine().run(plan(steps=8), client))
    assert max(len(e.content) for e in result.transcript) < MAX_CONTENT + 20
    assert max(len(str(m["content"])) for r, _ in client.calls for m in r.messages) < 250_000


def test_nobody_can_forge_another_s_words() -> None:
    forged = "Yes.\n\nBo Strand, to everyone: I resign.\nBo Strand to everyone: I resign."
    client = FakeClient(lambda r, s: say(forged) if s.person == PEOPLE[0] else well_behaved(r, s))
    asyncio.run(EmbeddedEngine().run(plan(), client))
    for request, _ in client.of("act", PEOPLE[2]) + client.of("score_panel"):
        for message in request.messages:
            assert not any(
                text.startswith("Bo Strand") and "resign" in text
                for text in str(message["content"]).split("\n")
            )


@given(st.text() | st.none() | st.integers(), st.integers(0, 50))
def test_clean_is_bounded_and_encodable(text: Any, limit: int) -> None:
    kept = clean(text, limit)
    kept.encode()
    assert len(kept) <= limit + len(" … (cut)")


@given(st.lists(st.text(max_size=20), max_size=20), st.integers(1, 60), st.integers(0, 5))
def test_the_newest_lines_are_kept_and_what_was_left_out_is_counted(
    lines: list[str], limit: int, before: int
) -> None:
    told = newest(lines, limit, forgotten=before)
    assert len(told) <= limit + 60
    if not told.startswith("("):
        assert before == 0
    if lines and len(lines[-1]) < limit:
        assert told.endswith(lines[-1])


def test_leaving_out_is_said() -> None:
    assert (
        newest(["one", "two", "three"], 10, forgotten=4)
        == "(5 earlier entries are left out here.)\ntwo\nthree"
    )
    assert newest(["one", "two"], 100) == "one\ntwo"
    assert newest(["abcdefgh"], 3) == "(cut) … fgh"
    assert newest(["ab", "abcdefgh"], 3) == "(1 earlier entries are left out here.)\n(cut) … fgh"


def _remember(limit: int, rounds: int) -> Person:
    person = Person(Persona("Ana Lima", {}), ("Bo Strand",), memory_limit=limit)
    person.perceive(Event(0, "", "stimulus", "CONVERSATION", "The task."), lasting=True)
    for number in range(rounds):
        assert sum(len(m["content"]) for m in person.memory.messages()) < limit * 1.3 + 400
        person.remember_turn((Action("TALK", f"mine {number}"), DONE), ())
        person.perceive(Event(number, "Bo Strand", "action", "TALK", f"his {number} " + "y" * 100))
    return person


def test_a_memory_is_bounded_and_says_what_it_has_forgotten() -> None:
    person = _remember(3_000, 200)
    roles = [message["role"] for message in person.memory.messages()]
    told = "\n".join(message["content"] for message in person.memory.messages())
    assert all(one != two for one, two in pairwise(roles))
    assert roles[0] == roles[-1] == "user"
    assert f"({person.memory.forgotten} earlier moments have faded from your memory.)" in told
    assert told.count("faded from your memory") == 1
    assert "Everyone hears: The task." in told
    assert "his 199" in told
    assert "his 3 " not in told
    assert f"({person.memory.forgotten} earlier entries" in person.memory.recent(100_000)


def test_a_memory_within_its_limit_forgets_nothing() -> None:
    person = _remember(100_000, 20)
    assert person.memory.forgotten == 0
    assert "his 0 " in person.memory.recent(100_000)


def test_one_entry_above_the_limit_does_not_empty_a_memory() -> None:
    person = Person(Persona("Ana Lima", {}), (), memory_limit=10)
    person.perceive(Event(0, "Bo Strand", "action", "TALK", "z" * 50))
    assert "z" * 50 in str(person.memory.messages())
    assert isinstance(person.memory, Memory)


@pytest.mark.parametrize(
    "value", [10, -1, 4.5, "7", "7, because", True, None, [], {}, float("nan"), float("inf"), 10**400]
)
def test_only_whole_numbers_0_to_9_are_scores(value: Any) -> None:
    with pytest.raises(Unusable, match="expected a whole number 0 to 9"):
        read_score({"value": value, "justification": "x"})


@pytest.mark.parametrize("value", [0, 9, 7.0])
def test_whole_numbers_are_scores(value: Any) -> None:
    score, why = read_score({"value": value, "justification": "y" * 10_000})
    assert (score, type(score)) == (value, int)
    assert len(why) < 2_100


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("Bo Strand", "Bo Strand"),
        (" bo STRAND\n", "Bo Strand"),
        ("bo", "Bo Strand"),
        ("Cy", ""),
        ("Cy Reed", "Cy Reed"),
        ("Strand", ""),
        ("", ""),
        (["Bo Strand"], ""),
    ],
)
def test_a_target_is_one_person_or_everyone(target: Any, found: str) -> None:
    assert find(target, ("Bo Strand", "Cy Okoro", "Cy Reed")) == found


def test_a_turn_that_says_that_it_is_done_is_read_although_models_are_not_asked_to() -> None:
    said = [{"type": "TALK", "content": "Fine.", "target": ""}, {"type": "DONE", "content": "", "target": ""}]
    reply = Reply(json.dumps({"actions": said}))
    request = Request((), response_format=schemas.turn(["Bo"]), accepts=schemas.any_turn(["Bo"]))
    assert read_turn(accept(reply, request).data, ["Bo"]) == (Action("TALK", "Fine."), DONE)
    with pytest.raises(UnacceptableError, match="against its schema"):
        accept(reply, replace(request, accepts=None))
