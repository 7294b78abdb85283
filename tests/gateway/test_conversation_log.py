"""The transcript that a trial's model calls make by themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gateway import conversation_log
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.conversation_log import ConversationLog

SITE = CallSite("answer")


def says(role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": text, **more}


def calls(name: str, arguments: str, identity: str = "c1") -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


SYSTEM, HELLO, MORE = says("system", "Be brief."), says("user", "Hello."), says("user", "More.")


def talk(log: ConversationLog, messages: Sequence[Any], reply: Reply | str, site: CallSite = SITE) -> None:
    call = log.begin(Request(messages=list(messages)), site)
    if call is not None:
        log.end(call, reply if isinstance(reply, Reply) else Reply(reply, call=f"{site.kind}:{reply}:0"))


def lines(log: ConversationLog) -> list[str]:
    return [
        f"{one.person} {one.type}{f' {one.source or one.target}' if one.source or one.target else ''}: {one.content}"
        for one in log.transcript()
    ]


def test_a_message_is_shown_once_and_every_reply() -> None:
    log = ConversationLog()
    talk(log, [SYSTEM, HELLO], "Hi.")
    talk(log, [SYSTEM, HELLO, says("assistant", " Hi. "), MORE], "Well.")
    talk(log, [SYSTEM, HELLO, says("assistant", "Hi."), MORE, says("assistant", "Well."), MORE], "Enough.")
    assert lines(log) == [
        "answer SYSTEM: Be brief.",
        "answer CONVERSATION user: Hello.",
        "answer TALK: Hi.",
        "answer CONVERSATION user: More.",
        "answer TALK: Well.",
        "answer CONVERSATION user: More.",
        "answer TALK: Enough.",
    ]
    assert [one.step for one in log.transcript()] == [1, 1, 1, 2, 2, 3, 3]


def test_an_agent_that_forgets_its_oldest_messages_repeats_none() -> None:
    log = ConversationLog()
    talk(log, [SYSTEM, HELLO], "Hi.")
    talk(log, [SYSTEM, says("assistant", "Hi."), MORE], "Well.")
    assert lines(log)[3:] == ["answer CONVERSATION user: More.", "answer TALK: Well."]


def test_what_is_said_again_after_older_messages_were_forgotten_is_shown() -> None:
    log = ConversationLog()
    talk(log, [HELLO, MORE, MORE], "Hi.")
    talk(log, [says("assistant", "Hi."), HELLO], "Well.")
    talk(log, [says("assistant", "Hi."), HELLO, says("assistant", "Well."), MORE], "Enough.")
    assert lines(log)[-2:] == ["answer CONVERSATION user: More.", "answer TALK: Enough."]


def test_tool_calls_and_their_results_name_the_tool() -> None:
    log = ConversationLog()
    asked = calls("look_up", '{"order": 7}')
    talk(log, [HELLO], Reply("", tool_calls=[asked]))
    answer = {"role": "assistant", "content": None, "tool_calls": [asked]}
    talk(log, [HELLO, answer, says("tool", "shipped", tool_call_id="c1")], "It is on its way.")
    assert lines(log)[1:] == [
        'answer TOOL_CALL look_up: {"order": 7}',
        "answer TOOL_RESULT look_up: shipped",
        "answer TALK: It is on its way.",
    ]


def test_broken_arguments_are_shown_as_the_model_wrote_them() -> None:
    log = ConversationLog()
    talk(log, [HELLO], Reply("", tool_calls=[calls("look_up", '{"order": 7')]))
    assert lines(log)[-1] == 'answer TOOL_CALL look_up: {"order": 7'


def test_interleaved_conversations_are_kept_apart() -> None:
    log = ConversationLog()
    one, two = [SYSTEM, says("user", "One.")], [SYSTEM, says("user", "Two.")]
    talk(log, one, "1")
    talk(log, two, "2")
    talk(log, [*one, says("assistant", "1"), MORE], "11")
    assert lines(log) == [
        "answer SYSTEM: Be brief.",
        "answer CONVERSATION user: One.",
        "answer TALK: 1",
        "answer 2 CONVERSATION user: Two.",
        "answer 2 TALK: 2",
        "answer CONVERSATION user: More.",
        "answer TALK: 11",
    ]


def test_agents_with_different_prompts_have_different_names() -> None:
    log = ConversationLog()
    talk(log, [SYSTEM, HELLO], "a", CallSite("other"))
    talk(log, [says("developer", "Be long."), HELLO], "b", CallSite("other"))
    assert [line.partition(" ")[0] for line in lines(log)[:3]] == ["agent"] * 3
    assert lines(log)[3:] == [
        "agent 2 SYSTEM: Be long.",
        "agent 2 CONVERSATION user: Hello.",
        "agent 2 TALK: b",
    ]


def test_one_question_after_another_is_one_agent() -> None:
    log = ConversationLog()
    for number in "123":
        talk(log, [SYSTEM, says("user", number)], f"{number}!")
    assert {one.person for one in log.transcript()} == {"answer"}
    assert sum(one.type == "SYSTEM" for one in log.transcript()) == 1


def test_calls_are_in_the_order_in_which_they_were_made() -> None:
    log = ConversationLog()
    first, second = (
        log.begin(Request(messages=[says("user", who)]), CallSite("answer", who)) for who in ("Ada", "Bo")
    )
    assert first is not None and second is not None
    log.end(second, Reply("2"))
    log.end(first, Reply("1"))
    assert [one.content for one in log.transcript()] == ["Ada", "1", "Bo", "2"]
    assert [one.person for one in log.transcript()] == ["Ada", "Ada", "Bo", "Bo"]


def test_a_rejected_reply_and_a_judge_s_call_are_not_shown() -> None:
    log = ConversationLog()
    talk(log, [HELLO], "no")
    log.reject("answer:no:0")
    talk(log, [HELLO], "yes")
    talk(log, [says("user", "Score it.")], "9", CallSite("score_panel"))
    assert lines(log) == ["answer CONVERSATION user: Hello.", "answer TALK: yes"]


def test_a_transcript_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_log, "MOST_CHARACTERS", 50_000)
    log = ConversationLog()
    talk(log, [says("user", "x" * 30_000)], "short")
    talk(log, [says("user", "y" * 40_000)], "later")
    first, reply, second, *rest = log.transcript()
    assert len(first.content) < 20_100 and first.content.endswith("(cut)")
    assert reply.content == "short" and second.content.startswith("y")
    assert [one.content for one in rest] == ["later"]
    talk(log, [says("user", "z" * 20_000)], "lost")
    last = log.transcript()[-1]
    assert (last.type, last.content) == ("CUT", "The transcript is cut here: 2 later messages are left out.")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None, exclude_categories=()), max_size=9),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "text",
    "type", "id", "function", "name", "arguments"]), part, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(JSON, max_size=4), st.lists(JSON, max_size=4), JSON)
def test_no_message_is_too_odd_for_it(one: list[Any], two: list[Any], content: Any) -> None:
    log = ConversationLog()
    for messages in (one, two, [{"role": "user", "content": content}]):
        talk(log, messages, Reply("\ud800 <b>", call="c"))
    json.dumps([one.content for one in log.transcript()]).encode()
    "".join(one.content + one.source + one.target for one in log.transcript()).encode()
