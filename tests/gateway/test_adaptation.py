"""A provider that learns from refusals, behind the gateway: what is sent, counted, kept and said."""

from __future__ import annotations

import asyncio
import json
import pickle
import sqlite3
import zlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelCallError, UnsupportedParameterError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.requests.model_options import CallOptions
from tests.support.endpoint import FakeEndpoint, Fault

SCORE = {
    "type": "json_schema",
    "json_schema": {
        "name": "score",
        "strict": True,
        "schema": {"type": "object", "properties": {"value": {"type": "integer"}}, "required": ["value"]},
    },
}
WORDS = ({"role": "system", "content": "Judge."}, {"role": "user", "content": "How was it?"})
SITE = CallSite("score_person", "Ada")


def without_schema(body: Mapping[str, Any]) -> Fault | None:
    kind = (body.get("response_format") or {}).get("type")
    return Fault(400, "response_format.type json_schema is unsupported") if kind == "json_schema" else None


def without_formats(body: Mapping[str, Any]) -> Fault | None:
    return (
        Fault(422, "response_format: extra inputs are not permitted") if "response_format" in body else None
    )


def newer_limit(body: Mapping[str, Any]) -> Fault | None:
    if "max_tokens" in body:
        return Fault(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    return None


def run(
    endpoint: FakeEndpoint,
    work: Callable[[Gateway], Awaitable[Any]],
    *,
    journal: Path | None = None,
    said: list[str] | None = None,
    **configured: Any,
) -> Any:
    """What ``work`` makes with a gateway to ``endpoint``."""

    async def main() -> Any:
        provider = OpenAICompatible("m", base_url=endpoint.url, api_key="not-a-real-key")
        provider.configure(**configured)

        async def nap(_: float) -> None: ...

        gateway = Gateway(provider, journal=Journal(journal) if journal else None, sleep=nap)
        gateway.notify = ([] if said is None else said).append
        try:
            return await work(gateway)
        finally:
            await gateway.aclose()

    return asyncio.run(main())


def scores(number: int, **more: Any) -> Callable[[Gateway], Awaitable[list[Reply]]]:
    async def work(gateway: Gateway) -> list[Reply]:
        clients = [gateway.open_trial(f"t{at}", "r", **more) for at in range(number)]
        return await asyncio.gather(
            *(client.complete(Request(WORDS, response_format=SCORE), SITE) for client in clients)
        )

    return work


@pytest.mark.parametrize(
    ("refuse", "form", "refused"), [(without_schema, "json_object", 1), (without_formats, "prompt", 2)]
)
def test_a_server_without_json_schema_answers_by_the_schema_in_the_prompt(
    refuse: Callable[[Mapping[str, Any]], Fault | None], form: str, refused: int
) -> None:
    said: list[str] = []
    with FakeEndpoint(message=lambda *_: {"content": '{"value": 7}'}, refuse=refuse) as endpoint:

        async def work(gateway: Gateway) -> tuple[list[Reply], Any, int]:
            client = gateway.open_trial("t", "r")
            replies = [
                await client.complete(Request(WORDS, response_format=SCORE), CallSite("score", "Ada", n))
                for n in (1, 2)
            ]
            return replies, client.replies, gateway.calls

        replies, counted, calls = run(endpoint, work, said=said)
    assert [reply.data for reply in replies] == [{"value": 7}] * 2
    assert {reply.form for reply in replies} == {form}
    assert calls == len(endpoint.requests) == 2 + refused, (
        "each refusal is a call that was sent, and sent once"
    )
    assert counted["forms"] == {"score": {form: 2}}
    system = endpoint.requests[-1].body["messages"][0]["content"]
    assert system.startswith("Judge.\n\nAnswer with one JSON object that matches this JSON schema, ")
    assert endpoint.requests[-1].body["messages"][1] == WORDS[1]
    assert len(said) == refused
    assert all("; schemas now go into the prompt, with" in one and "It said: " in one for one in said)


def test_a_reply_in_a_weaker_form_is_still_held_against_the_schema() -> None:
    answers = ['{"value": "seven"}', "A plain reply.", '{"value": 7}']
    with FakeEndpoint(
        message=lambda _body, number: {"content": answers[number - 1]}, refuse=without_schema
    ) as endpoint:
        (reply,) = run(endpoint, scores(1))
    assert (reply.data, reply.attempts) == ({"value": 7}, 3), "the refused request is no reply"


def test_calls_in_flight_together_are_each_sent_once_more_and_it_is_said_once() -> None:
    said: list[str] = []
    with FakeEndpoint(message=lambda *_: {"content": '{"value": 7}'}, refuse=without_schema) as endpoint:
        replies = run(endpoint, scores(12), said=said)
    assert len(replies) == 12
    assert len(endpoint.requests) <= 24
    assert len(said) == 1
    kinds = [(seen.body.get("response_format") or {}).get("type") for seen in endpoint.requests]
    assert kinds.count("json_object") == 12


def test_the_newer_name_of_the_limit_is_learned_once_and_counted_as_no_bad_reply() -> None:
    said: list[str] = []
    options = CallOptions({"max_tokens": 300})
    with FakeEndpoint(message=lambda *_: {"content": '{"value": 7}'}, refuse=newer_limit) as endpoint:
        replies = run(endpoint, scores(8, options=options), said=said)
    assert {reply.attempts for reply in replies} == {1}
    assert len(said) == 1
    assert [
        seen.body["max_completion_tokens"] for seen in endpoint.requests if "max_tokens" not in seen.body
    ] == [300] * 8


def test_a_resume_serves_replies_of_every_form_and_the_journal_has_what_was_sent(tmp_path: Path) -> None:
    with FakeEndpoint(message=lambda *_: {"content": '{"value": 7}'}, refuse=without_schema) as endpoint:
        (first,) = run(endpoint, scores(1), journal=tmp_path)
        sent = len(endpoint.requests)
        (second,) = run(endpoint, scores(1), journal=tmp_path)
        assert len(endpoint.requests) == sent, "nothing was sent again, whatever form would be used now"
        (third,) = run(endpoint, scores(1), journal=tmp_path, form="prompt")
    assert first == second == third
    assert third.form == "json_object"
    with sqlite3.connect(tmp_path / "r.sqlite") as file:
        bodies = {
            digest: json.loads(zlib.decompress(body))
            for digest, body in file.execute("select * from requests")
        }
        (more,) = (json.loads(more) for (more,) in file.execute("select more from replies"))
    spelled = bodies.pop(more["sent_digest"])
    (asked,) = bodies.values()
    assert asked[2] == SCORE
    assert spelled[2] == {"type": "json_object"}
    assert spelled[0] == [dict(message) for message in endpoint.requests[-1].body["messages"]]


def test_a_declared_parameter_that_the_server_refuses_ends_the_session_with_its_words_and_what_to_change() -> (
    None
):
    def refuse(body: Mapping[str, Any]) -> Fault | None:
        if body.get("temperature") != 1:
            return Fault(
                400, "'temperature' does not support 0.2 with this model. Only the default (1) is supported."
            )
        return None

    hints = {"temperature": "set another with --temperature"}
    with FakeEndpoint(refuse=refuse) as endpoint, pytest.raises(UnsupportedParameterError) as caught:
        run(endpoint, scores(3, options=CallOptions({"temperature": 0.2})), hints=hints)
    assert caught.value.fatal
    assert "Only the default (1) is supported" in str(caught.value)
    assert str(caught.value).endswith("The server refuses 'temperature': set another with --temperature.")
    assert {seen.body["temperature"] for seen in endpoint.requests} == {0.2}, "it is never left out"


def test_a_field_that_one_play_set_itself_fails_its_call_and_not_the_session() -> None:
    async def work(gateway: Gateway) -> Reply:
        client = gateway.open_trial("t", "r")
        return await client.complete(Request(WORDS, extra={"top_p": 2}), SITE)

    refuse = lambda body: Fault(400, "top_p is not supported") if "top_p" in body else None  # noqa: E731
    with FakeEndpoint(refuse=refuse) as endpoint, pytest.raises(UnsupportedParameterError) as caught:
        run(endpoint, work)
    assert not caught.value.fatal


def test_a_server_that_ignores_the_format_is_told_of_once() -> None:
    async def work(gateway: Gateway) -> None:
        gateway.notify, gateway.json_hint = said.append, "try --response-format prompt"
        for number in range(6):
            client = gateway.open_trial(f"t{number}", "r")
            with pytest.raises(ModelCallError, match="JSON"):
                await client.complete(Request(WORDS, response_format=SCORE), SITE)

    said: list[str] = []
    with FakeEndpoint(message=lambda *_: {"content": "A plain reply."}) as endpoint:
        run(endpoint, work)
    assert len(said) == 1
    assert "none of its first 8 replies to requests for JSON is acceptable; the last was not JSON" in said[0]
    assert said[0].endswith("The server may ignore the response format: try --response-format prompt.")


def test_a_model_that_writes_json_now_and_then_is_not_suspected() -> None:
    said: list[str] = []

    async def work(gateway: Gateway) -> None:
        gateway.notify = said.append
        for number in range(6):
            client = gateway.open_trial(f"t{number}", "r")
            await client.complete(Request(WORDS, response_format=SCORE), SITE)

    contents = ["A plain reply.", '{"value": 7}']
    with FakeEndpoint(message=lambda _, number: {"content": contents[number % 2]}) as endpoint:
        run(endpoint, work)
    assert said == []


def test_an_error_of_a_refused_field_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(UnsupportedParameterError("no", "top_p", fatal=True)))
    assert (str(error), error.parameter, error.fatal) == ("no", "top_p", True)


def test_a_server_that_refuses_every_spelling_fails_with_its_words() -> None:
    def refuse(_body: Mapping[str, Any]) -> Fault | None:
        return Fault(400, "json_schema and json_object are not supported: nothing is")

    with FakeEndpoint(refuse=refuse) as endpoint, pytest.raises(ModelCallError, match="nothing is"):
        run(endpoint, scores(1))
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize(("form", "kind"), [("json_object", "json_object"), ("prompt", None)])
def test_a_chosen_form_is_sent_from_the_start(form: str, kind: str | None) -> None:
    with FakeEndpoint(message=lambda *_: {"content": '{"value": 7}'}) as endpoint:
        (reply,) = run(endpoint, scores(1), form=form)
    assert (reply.form, len(endpoint.requests)) == (form, 1)
    assert (endpoint.requests[0].body.get("response_format") or {}).get("type") == kind


def test_a_call_has_as_long_as_the_session_says() -> None:
    slow = Fault(200, body='{"choices": []}', delay=0.5)
    said = r"no whole answer within 0\.05 s \(--timeout SECONDS\)"
    with FakeEndpoint(fault=lambda _: slow) as endpoint, pytest.raises(ModelCallError, match=said):
        run(endpoint, scores(1), timeout=0.05, hints={"timeout": "--timeout SECONDS"})
