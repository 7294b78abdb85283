"""How the gateway reads replies: thoughts apart, JSON in other words, tool calls. The journal has them as they came."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UnacceptableReplyError
from harness.gateway.call_observers import CallRecord
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.journal.replay import JournaledReply
from harness.gateway.providers.anthropic_messages import AnthropicMessages
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.trial_client import TrialClient
from tests.gateway.test_server import HELLO, Echo, post, served
from tests.support.anthropic_endpoint import AnthropicEndpoint
from tests.support.endpoint import FakeEndpoint
from tests.support.requests import SCORE, ask

SITE = CallSite("answer")
GOOD = '{"reasoning": "r", "justification": "j", "value": 7}'
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "null"}}
THINKING = "<think>A tool? Or should I ask?</think>\n\nIt is done."


class Answers:
    """Answers from a list, the last one for ever."""

    name, model = "answers", "answers-1"

    def __init__(self, *replies: Reply | str) -> None:
        self.replies = [Reply(one) if isinstance(one, str) else one for one in replies]
        self.asked = 0

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.asked += 1
        return self.replies[min(self.asked, len(self.replies)) - 1]

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        return [[1.0] for _ in texts]

    async def aclose(self) -> None: ...


def read(
    provider: Any, *requests: Request, journal: Path | None = None, **more: Any
) -> tuple[list[Reply], TrialClient]:
    """The replies to ``requests``, one after another, in one try of one trial."""

    async def nap(_: float) -> None: ...

    async def main() -> tuple[list[Reply], TrialClient]:
        gateway = Gateway(provider, sleep=nap, journal=Journal(journal) if journal else None, **more)
        client = gateway.open_trial("t", "run")
        try:
            return [await client.complete(one, SITE) for one in requests], client
        finally:
            await gateway.aclose()

    return asyncio.run(main())


def one(reply: Reply | str, request: Request | None = None) -> Reply:
    (found,), _ = read(Answers(reply), request or ask("ping"))
    return found


def test_thoughts_are_no_part_of_the_text_and_the_text_as_it_came_stays_at_hand() -> None:
    reply = one(THINKING)
    assert (reply.text, reply.thoughts, reply.raw) == ("It is done.", "A tool? Or should I ask?", THINKING)


def test_thoughts_beside_the_text_and_in_it_are_both_thoughts() -> None:
    reply = one(Reply(THINKING, thoughts="Hm."))
    assert (reply.text, reply.thoughts) == ("It is done.", "Hm.\n\nA tool? Or should I ask?")


def test_a_text_without_marks_stays_as_it_came() -> None:
    assert one("  As it came. \n").text == "  As it came. \n"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("<think>A tool?"), "cut while thinking"),
        (
            Reply("<think>A tool?", finish_reason="length"),
            "cut at the length limit of 12,288 tokens (while thinking)",
        ),
        (Reply("<think>A tool?</think>"), "empty (thoughts alone)"),
        (Reply("", thoughts="A tool?"), "empty (thoughts alone)"),
        (Reply("<|im_end|>"), "empty"),
    ],
)
def test_thoughts_without_words_are_no_reply(reply: Reply, reason: str) -> None:
    with pytest.raises(UnacceptableReplyError) as found:
        one(reply)
    assert found.value.reason == reason


def test_a_reply_after_one_that_was_cut_while_thinking_is_a_new_sample() -> None:
    (reply,), client = read(Answers("<think>A tool?", "Yes."), ask("ping"))
    assert (reply.text, reply.attempts) == ("Yes.", 2)
    assert client.rejections[0]["text"] == "<think>A tool?"


def test_what_is_done_counts_whatever_was_left_open_before_it() -> None:
    reply = one(Reply("<think>A tool, I think", tool_calls=[CALL], finish_reason="tool_calls"))
    assert (reply.text, reply.thoughts) == ("", "A tool, I think")
    assert [(call.name, call.arguments) for call in reply.calls] == [("f", {})]


def test_thoughts_of_a_refusal_are_apart_too() -> None:
    reply = one(Reply("<think>No.</think>I will not.", refusal=True))
    assert (reply.text, reply.thoughts, reply.refusal) == ("I will not.", "No.", True)


JSON = [
    (GOOD, ""),
    (f"<think>Seven?</think>\n{GOOD}", "thoughts"),
    (f"{GOOD}\n<|im_end|>", "end token"),
    (f"```json\n{GOOD}\n```", "fence"),
    (f"<think>{{}}</think>Sure:\n{GOOD}<|eot_id|>", "prose"),
    (json.dumps(GOOD), "string"),
]


@pytest.mark.parametrize("form", [SCORE, {"type": "json_object"}], ids=["schema", "object"])
@pytest.mark.parametrize(("text", "unwrapped"), JSON, ids=[name or "plain" for _, name in JSON])
def test_one_json_object_is_read_in_other_words(form: Mapping[str, Any], text: str, unwrapped: str) -> None:
    reply = one(text, ask("ping", response_format=form))
    assert (reply.data, reply.unwrapped, reply.attempts) == (json.loads(GOOD), unwrapped, 1)
    assert (reply.text, reply.raw) == (GOOD, text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{GOOD} or {GOOD.replace('7', '8')}", "ambiguous (2 different JSON values in it)"),
        (f"Sure: {GOOD[:-1]},}}", "not JSON"),
        (f"```json\n{GOOD.replace('7', '70')}\n```", "against its schema: value"),
        ("<think>" + GOOD + "</think>Seven.", "not JSON"),
    ],
)
def test_what_is_not_one_valid_object_is_asked_for_again(text: str, reason: str) -> None:
    with pytest.raises(UnacceptableReplyError) as found:
        one(text, ask("ping", response_format=SCORE))
    assert found.value.reason.startswith(reason)


def test_each_trial_counts_what_was_done_to_read_its_replies() -> None:
    calls = Reply("", tool_calls=[{**CALL, "function": {"name": "f", "arguments": "[1]"}}])
    texts = [THINKING, calls, "Yes.", *(text for text, _ in JSON)]
    requests = [ask(str(number)) for number in range(3)]
    requests += [ask(str(number), response_format=SCORE) for number in range(len(JSON))]
    _, client = read(Answers(*texts), *requests)
    assert {name: client.replies[name] for name in client.replies if name != "forms"} == {
        "used": 9,
        "with_thoughts": 3,
        "unreadable_arguments": 1,
        "unwrapped": {"thoughts": 1, "end token": 1, "fence": 1, "prose": 1, "string": 1},
    }


def test_the_journal_has_replies_as_they_came_and_they_are_read_the_same_again(tmp_path: Path) -> None:
    given = [Reply(THINKING, thoughts="Hm."), Reply(f"```\n{GOOD}\n```"), Reply("", tool_calls=[CALL])]
    requests = [ask("ping"), ask("rate", response_format=SCORE), ask("pong")]
    first, client = read(Answers(*given), *requests, journal=tmp_path)
    again, later = read(silent := Answers("never"), *requests, journal=tmp_path)
    assert silent.asked == 0
    assert [replace(one, tool_calls=list(one.tool_calls)) for one in again] == [
        replace(one, tool_calls=list(one.tool_calls)) for one in first
    ]
    assert later.replies == client.replies
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as journal:
        rows = journal.execute("select text, tool_calls, more from replies order by rowid").fetchall()
    assert [row[0] for row in rows] == [one.text for one in given]
    assert json.loads(rows[2][1]) == [CALL]
    assert json.loads(rows[0][2]) == {"thoughts": "Hm.", "limit": 4096}


def test_an_earlier_session_took_thoughts_for_speech_and_this_one_does_not(tmp_path: Path) -> None:
    """What was kept as accepted is read by today's rule; what that rule does not accept is asked for again."""

    async def kept() -> None:
        journal = Journal(tmp_path)
        journal.begin("run", "t")
        request = ask("ping")
        gateway = Gateway(Answers(THINKING), journal=journal)
        await gateway.open_trial("t", "run").complete(request, SITE)
        await journal.flush()
        await gateway.aclose()

    asyncio.run(kept())
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as journal:
        (digest,) = journal.execute("select digest from replies").fetchone()

    async def spoilt() -> None:
        journal = Journal(tmp_path)
        journal.open("run")
        await journal.keep("run", "t", JournaledReply(SITE, digest, 0, 0, 1, Reply("<think>A tool?")), "[]")
        await journal.aclose()

    asyncio.run(spoilt())
    (reply,), client = read(Answers("Yes."), ask("ping"), journal=tmp_path)
    assert reply.text == "Yes."
    assert [one["reason"] for one in client.rejections] == ["cut while thinking"]


def test_observers_hear_what_was_said() -> None:
    heard: list[CallRecord] = []

    class Ear:
        def on_call(self, call: CallRecord) -> None:
            heard.append(call)

    read(Answers("<think>A", THINKING), ask("ping"), observers=[Ear()])
    assert [(call.reply.text, call.error is None) for call in heard if call.reply] == [
        ("<think>A", False),
        ("It is done.", True),
    ]


def test_a_client_over_http_gets_thoughts_beside_the_content_and_arguments_as_a_text() -> None:
    async def work(_: Gateway, client: TrialClient) -> None:
        body = json.dumps({"model": "m", "messages": HELLO}).encode()
        status, answer = await post(f"{client.base_url}/chat/completions", body, client.token)
        message = answer["choices"][0]["message"]
        assert (status, message["content"]) == (200, "It is done.")
        assert message["reasoning_content"] == "A tool? Or should I ask?"
        assert message["tool_calls"][0]["function"]["arguments"] == "{}"

    served(work, Echo(THINKING, tool_calls=[CALL]))


def test_a_client_over_http_gets_the_bare_json() -> None:
    async def work(_: Gateway, client: TrialClient) -> None:
        form = {"type": "json_object"}
        body = json.dumps({"model": "m", "messages": HELLO, "response_format": form}).encode()
        _, answer = await post(f"{client.base_url}/chat/completions", body, client.token)
        assert answer["choices"][0]["message"]["content"] == GOOD

    served(work, Echo(f"Sure:\n```json\n{GOOD}\n```"))


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Yes.", "reasoning_content": "Hm."},
        {"content": "Yes.", "reasoning": "Hm."},
        {"content": "Yes.", "reasoning_content": "", "reasoning": "Hm.", "reasoning_details": [{"text": "Hm."}]},
        {"content": "Yes.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"text": "Yes."}]},
        {"content": "<think>Hm.</think>Yes.", "reasoning_content": None},
        {"content": "Yes.", "reasoning": {"summary": [{"type": "summary_text", "text": "Hm."}]}},
    ],
)  # fmt: skip
def test_servers_send_thoughts_in_many_ways(message: Mapping[str, Any]) -> None:
    with FakeEndpoint(message=lambda *_: message) as endpoint:
        (reply,), _ = read(OpenAICompatible("gpt-x", base_url=endpoint.url, api_key="any"), ask("ping"))
    assert (reply.text, reply.thoughts) == ("Yes.", "Hm.")


def test_anthropics_thoughts_are_thoughts() -> None:
    blocks = [{"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "text", "text": "Yes."}]
    with AnthropicEndpoint(message=lambda *_: {"content": blocks}) as endpoint:
        (reply,), _ = read(AnthropicMessages("claude-x", base_url=endpoint.url, api_key="any"), ask("ping"))
    assert (reply.text, reply.thoughts) == ("Yes.", "Hm.")


def test_the_one_call_of_the_apis_first_version_is_a_call() -> None:
    message = {"content": None, "tool_calls": None, "function_call": {"name": "f", "arguments": '{"at": 9}'}}
    with FakeEndpoint(message=lambda *_: message, finish_reason="function_call") as endpoint:
        (reply,), _ = read(OpenAICompatible("gpt-x", base_url=endpoint.url, api_key="any"), ask("ping"))
    assert [(call.name, call.arguments) for call in reply.calls] == [("f", {"at": 9})]
