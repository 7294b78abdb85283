"""Requests that no server could get, and replies that could not be sent on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness import Experiment, Group, Intervention, Measure, Mode, Persona, Proposition, Script
from harness.errors import ConfigurationError, UnsendableRequestError
from harness.gateway.budget import Budget, Spend
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.requests import sendable
from harness.model.text import MAX_DEPTH, json_fault, text_faults, whole, whole_data, whole_json

HALF = "\ud83d"
SITE = CallSite("act", "Ada", 2)
SHAPE = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": {"type": "object", "properties": {"said": {"type": "string"}}, "required": ["said"]},
    },
}


class Echo:
    """Answers with ``reply`` and keeps what it was asked."""

    name = model = "echo"

    def __init__(self, reply: Reply) -> None:
        self.reply, self.asked = reply, list[Request]()

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.asked.append(request)
        return self.reply

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        self.asked.append(Request(()))
        return [[1.0] for _ in texts]

    async def aclose(self) -> None: ...


def circle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def deep(levels: int) -> Any:
    found: Any = "x"
    for _ in range(levels):
        found = [found]
    return found


MESSAGE = {"role": "user", "content": "Hello."}
UNSENDABLE = [
    (
        Request([MESSAGE, {"role": "assistant", "content": f"Fine {HALF}."}]),
        "message 2 (assistant)['content']: character 6 is half a surrogate pair (U+D83D)",
    ),
    (
        Request([{"role": "user", "content": [{"type": "text", "text": HALF}]}]),
        "message 1 (user)['content'][0]['text']: character 1 is half",
    ),
    (Request([{**MESSAGE, HALF: 1}]), "message 1 (user), a key: character 1 is half"),
    (Request([MESSAGE], extra={"top_p": float("nan")}), "top_p is nan, which JSON lacks"),
    (Request([MESSAGE], extra={"stop": ["a", float("inf")]}), "stop[1] is inf, which JSON lacks"),
    (Request([MESSAGE], extra={"tools": {1, 2}}), "tools is a set, which JSON lacks"),
    (Request([MESSAGE], extra={"user": object()}), "user is a object, which JSON lacks"),
    (Request([MESSAGE], extra={"metadata": {1: "a", "b": 2}}), "metadata has the key 1, which is not text"),
    (Request([MESSAGE], extra={"x": circle()}), "x[0]"),
    (Request([MESSAGE], extra={"x": deep(5000)}), "levels deep"),
    (Request([MESSAGE], temperature=float("nan")), "temperature is nan"),
]


@pytest.mark.parametrize(("request_", "said"), UNSENDABLE, ids=[said for _, said in UNSENDABLE])
def test_what_cannot_be_sent_fails_at_once_with_its_place_and_costs_nothing(
    request_: Request, said: str
) -> None:
    async def main() -> None:
        provider, budget = Echo(Reply("ok")), Budget(max_calls=1)
        gateway = Gateway(provider, budget=budget, sleep=_never)
        client = gateway.open_trial("trial-1")
        with pytest.raises(UnsendableRequestError) as caught:
            await client.complete(request_, SITE)
        assert said in str(caught.value)
        assert str(caught.value).startswith("Call 'act' of trial-1 (Ada) cannot be sent: ")
        assert caught.value.retry_after is None and not caught.value.fatal
        assert (provider.asked, gateway.calls, client.usage().total_calls) == ([], 0, 0)
        assert (budget.spent, budget.held) == (Spend(), Spend())
        await client.complete(Request([MESSAGE]), SITE)  # what is right goes on, and has all of the budget

    asyncio.run(main())


async def _never(_: float) -> None:
    raise AssertionError("nothing is to be waited for")


def test_a_text_to_embed_is_checked_too() -> None:
    async def main() -> None:
        provider = Echo(Reply(""))
        with pytest.raises(
            UnsendableRequestError, match=r"'embedding' of t cannot be sent: input\[1\]: character 2"
        ):
            await Gateway(provider).open_trial("t").embed(["a", f"b{HALF}"], "small")
        assert provider.asked == []

    asyncio.run(main())


def test_a_request_larger_than_any_server_takes_names_its_largest_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sendable, "MAX_REQUEST", 1000)

    async def main() -> None:
        with pytest.raises(
            UnsendableRequestError, match=r"message 2 of 2 has 2,\d{3} characters; expected 1,000"
        ):
            await (
                Gateway(Echo(Reply("ok")))
                .open_trial("t")
                .complete(Request([MESSAGE, {"role": "user", "content": "x" * 2000}]), SITE)
            )

    asyncio.run(main())


@pytest.mark.parametrize("text", ["\x00", "a\x1bb", "\U0001f600", "\ufffd", "\u2028"])
def test_odd_characters_that_json_can_hold_are_sent_as_they_are(text: str) -> None:
    async def main() -> None:
        provider = Echo(Reply("ok"))
        await Gateway(provider).open_trial("t").complete(Request([{"role": "user", "content": text}]), SITE)
        assert provider.asked[0].messages[0]["content"] == text

    asyncio.run(main())


def test_halves_of_characters_in_a_reply_are_replaced_where_it_enters_and_counted(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "say", "arguments": '{"text": "\\ud83d!"}'}}
    replies = [
        (Reply(f"Well {HALF}."), None, lambda reply: reply.text == "Well \ufffd."),
        (
            Reply('{"said": "\\ud83d, \\ud83d\\ude00"}'),
            SHAPE,
            lambda reply: reply.data == {"said": "\ufffd, \U0001f600"},
        ),
        (Reply('{"said": "\\ud83d"}'), SHAPE, lambda reply: json.loads(reply.text) == {"said": "\ufffd"}),
        (
            Reply("", tool_calls=[call]),
            None,
            lambda reply: json.loads(reply.tool_calls[0]["function"]["arguments"]) == {"text": "\ufffd!"},
        ),
    ]

    async def main() -> None:
        for number, (reply, shape, is_right) in enumerate(replies):
            trial = f"t{number}"
            for session in range(2):  # the second is served from the journal
                provider, journal = Echo(reply), Journal(tmp_path)
                gateway = Gateway(provider, journal=journal)
                client = gateway.open_trial(trial, "run")
                given = await client.complete(Request([MESSAGE], response_format=shape), SITE)
                assert is_right(given), given
                assert given.mended and client.replies["mended"] == 1
                assert len(provider.asked) == 1 - session
                further = [
                    MESSAGE,
                    {"role": "assistant", "content": given.text, "tool_calls": given.tool_calls},
                ]
                await client.complete(Request([*further, MESSAGE]), CallSite("act", "Bo", session))
                await gateway.aclose()

    asyncio.run(main())


def test_a_whole_reply_is_left_as_it_came() -> None:
    reply = Reply(
        '{"said": "\\\\ud83d \\ud83d\\ude00 é"}', data={"said": "\\ud83d \U0001f600 é"}, tool_calls=()
    )
    assert sendable.mended(reply) is reply


_TEXT = st.text(st.characters() | st.sampled_from([HALF, "\ude00", "\\"]), max_size=8)
_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(_DATA)
def test_a_fault_is_found_exactly_where_json_in_utf8_cannot_be_written(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        is_right = True
    except ValueError:
        is_right = False
    assert (json_fault(value, "value") is None) == is_right


@given(_DATA)
@example("half a character: \ud83d")
def test_json_is_mended_as_the_data_in_it_is(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        mended = whole_json(text)
        mended.encode()
        json.dumps(json.loads(mended), ensure_ascii=False).encode()
        if isinstance(value, str):
            assert json.loads(mended) == whole(json.loads(text))
    assert json_fault(whole_data(value), "") is None or "JSON lacks" in str(json_fault(whole_data(value), ""))


def test_what_goes_round_in_a_circle_ends() -> None:
    assert list(text_faults(circle())) == []
    assert str(MAX_DEPTH) in str(json_fault(circle(), "x"))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (
            {"script": Script(task=f"Talk {HALF}.")},
            "script.task: character 6 is half a surrogate pair (U+D83D)",
        ),
        (
            {"script": Script(task="{x}", proposals=({"x": "a"}, {"x": HALF}))},
            "script.proposals[1]['x']: character 1",
        ),
        ({"metrics": (Proposition("Courtesy", f"{HALF}"),)}, "metrics[0].claim: character 1"),
        ({"settings": {"tone": ["plain", HALF]}}, "settings['tone'][1]: character 1"),
        (
            {"groups": (Group("Control", interventions=(Intervention("nudge", f"Think {HALF}"),)),)},
            "groups[0].interventions[0].effect: character 7",
        ),
    ],
)
def test_half_a_character_in_a_declaration_is_refused_with_its_place(
    change: dict[str, Any], place: str
) -> None:
    declared: dict[str, Any] = {
        "population": (Persona("Ada", {"job": "trader"}),),
        "groups": (Group("Control"),),
        "script": Script(task="Talk."),
        "metrics": (Measure("remarks", len),),
        "modes": {"full": Mode(reps=1, steps=1)},
    }
    with pytest.raises(ConfigurationError) as caught:
        Experiment(name="talk", **declared | change)
    assert any(place in problem for problem in caught.value.problems)
