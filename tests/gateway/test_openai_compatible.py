from __future__ import annotations

import asyncio
import json
import traceback
from typing import Any

import pytest
from support.endpoint import FakeEndpoint, Fault
from support.requests import SCORE, ask

from harness.errors import ConfigurationError, ModelCallError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.providers import make_provider
from harness.gateway.providers.openai_compatible import OpenAICompatible

KEY = "not-a-real-key-0123456789"


def complete(endpoint: FakeEndpoint, request: Request, **more: Any) -> Reply:
    async def main() -> Reply:
        provider = OpenAICompatible("gpt-x", base_url=endpoint.url, api_key=KEY, **more)
        try:
            return await provider.complete(request, trial="t", occurrence=0)
        finally:
            await provider.aclose()

    return asyncio.run(main())


def through_gateway(endpoint: FakeEndpoint, request: Request) -> Reply:
    async def nap(_: float) -> None: ...

    async def main() -> Reply:
        gateway = Gateway(OpenAICompatible("gpt-x", base_url=endpoint.url, api_key=KEY), sleep=nap)
        try:
            return await gateway.open_trial("t").complete(request, CallSite("score"))
        finally:
            await gateway.aclose()

    return asyncio.run(main())


def test_a_reply_has_usage_the_model_that_answered_and_its_fingerprint() -> None:
    with FakeEndpoint() as endpoint:
        reply = complete(
            endpoint, ask("be brief", "ping", temperature=0.5, max_tokens=8, extra={"top_p": 0.9, "seed": 4})
        )
    assert reply == Reply(
        "pong 0", model="gpt-x-2025", tokens_in=7, tokens_out=3, fingerprint="fp_fake", tool_calls=[]
    )
    seen = endpoint.requests[0]
    assert seen.authorization == f"Bearer {KEY}"
    assert dict(seen.body) == {
        "model": "gpt-x",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "ping"}],
        "temperature": 0.5,
        "max_tokens": 8,
        "top_p": 0.9,
        "seed": 4,
    }


def test_tool_calls_finish_reasons_and_refusals_are_kept() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    with FakeEndpoint(message=lambda *_: {"content": None, "tool_calls": [call]}) as endpoint:
        assert complete(endpoint, ask("x")).tool_calls == [call]
    with FakeEndpoint(finish_reason="length") as endpoint:
        assert complete(endpoint, ask("x")).finish_reason == "length"
    with FakeEndpoint(message=lambda *_: {"content": None, "refusal": "I will not."}) as endpoint:
        refusal = complete(endpoint, ask("x"))
    assert (refusal.text, refusal.refusal, refusal.finish_reason) == ("I will not.", True, "stop")
    with FakeEndpoint(finish_reason="content_filter") as endpoint:
        assert complete(endpoint, ask("x")).refusal
    with FakeEndpoint() as endpoint:
        assert not complete(endpoint, ask("x")).refusal


@pytest.mark.parametrize(
    ("status", "fatal", "again"),
    [
        (400, False, False),
        (401, True, False),
        (403, True, False),
        (404, True, False),
        (422, False, False),
        (408, False, True),
        (429, False, True),
        (500, False, True),
        (503, False, True),
    ],
)
def test_which_errors_end_the_run_and_which_are_tried_again(status: int, fatal: bool, again: bool) -> None:
    with (
        FakeEndpoint(lambda _: Fault(status, f"the server says no to {KEY}")) as endpoint,
        pytest.raises(ModelCallError, match="the server says no") as caught,
    ):
        complete(endpoint, ask("x"))
    assert (caught.value.fatal, caught.value.retry_after is not None) == (fatal, again)
    assert len(endpoint.requests) == 1, "the gateway retries, not the SDK"
    assert endpoint.url in str(caught.value)


def test_the_server_s_hint_how_long_to_wait_is_heard() -> None:
    for header, seconds in (("7", 7.0), ("9999", 9999.0), ("soon", 1.0)):
        with (
            FakeEndpoint(lambda _, header=header: Fault(429, headers={"retry-after": header})) as endpoint,
            pytest.raises(ModelCallError) as caught,
        ):
            complete(endpoint, ask("x"))
        assert caught.value.retry_after == seconds


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_no_error_shows_the_key(status: int) -> None:
    message = f"Incorrect API key: {KEY}; also sk-proj-{'x' * 30}"
    with (
        FakeEndpoint(lambda _: Fault(status, message)) as endpoint,
        pytest.raises(ModelCallError) as caught,
    ):
        complete(endpoint, ask("x"))
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert KEY not in shown and "xxxxx" not in shown and "[key]" in shown
    assert caught.value.__context__ is None, "the SDK's error has the request, and the request has the key"


def test_garbage_and_trouble_are_asked_again_through_the_gateway() -> None:
    good = '{"reasoning": "r", "justification": "j", "value": 4}'
    faults = {0: Fault(500), 1: Fault(429), 2: None}
    with FakeEndpoint(
        faults.get, lambda _, number: {"content": good if number == 3 else "seven"}
    ) as endpoint:
        assert through_gateway(endpoint, ask("x", response_format=SCORE)).data["value"] == 4
    assert len(endpoint.requests) == 4
    assert endpoint.requests[0].body["response_format"] == SCORE


def test_a_body_that_is_not_a_completion_is_no_crash() -> None:
    for body in ("<html>", "{}", '{"choices": []}', "[]", "null"):
        with (
            FakeEndpoint(lambda _, body=body: Fault(200, body=body)) as endpoint,
            pytest.raises(ModelCallError, match=r"not a completion|no acceptable reply"),
        ):
            through_gateway(endpoint, ask("x"))


def test_nobody_there_is_trouble_that_may_pass() -> None:
    with FakeEndpoint() as endpoint:
        pass
    with pytest.raises(ModelCallError, match="onnection") as caught:
        complete(endpoint, ask("x"))
    assert caught.value.retry_after is not None and not caught.value.fatal


def test_a_password_in_the_address_is_not_shown() -> None:
    with FakeEndpoint(lambda _: Fault(400)) as endpoint:
        endpoint.url = endpoint.url.replace("http://", "http://me:hidden@")
        with pytest.raises(ModelCallError) as caught:
            complete(endpoint, ask("x"))
    assert "hidden" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_embeddings_of_a_server_that_does_not_say_what_they_took() -> None:
    body = '{"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}]}'

    async def main(url: str) -> Any:
        provider = OpenAICompatible("gpt-x", base_url=url, api_key=KEY)
        try:
            return await provider.embed(["a"], "embed-x")
        finally:
            await provider.aclose()

    with FakeEndpoint(lambda _: Fault(200, body=body)) as endpoint:
        vectors = asyncio.run(main(endpoint.url))
    assert (vectors, vectors.model, vectors.tokens_in) == ([[1.0]], "", 0)


def test_embeddings() -> None:
    async def main(url: str) -> Any:
        provider = OpenAICompatible("gpt-x", base_url=url, api_key=KEY)
        try:
            return await provider.embed(["a", "bcd"], "embed-x")
        finally:
            await provider.aclose()

    with FakeEndpoint() as endpoint:
        vectors = asyncio.run(main(endpoint.url))
    assert vectors == [[1.0, 0.0], [3.0, 0.0]]
    assert (vectors.model, vectors.tokens_in) == ("embed-x", 1)
    assert endpoint.requests[0].body["model"] == "embed-x"


def refused(endpoint: FakeEndpoint) -> ModelCallError:
    with pytest.raises(ModelCallError) as caught:
        complete(endpoint, ask("x"))
    return caught.value


@pytest.mark.parametrize(
    ("error", "fatal", "wait"),
    [
        ({"message": "try later", "code": 503}, False, 7.0),
        ({"message": "try later", "type": "rate_limit_error"}, False, 7.0),
        ({"message": "try later"}, False, 7.0),
        ({"message": "try later", "code": 400}, False, None),
        ({"message": "try later", "code": "invalid_api_key"}, True, None),
        ({"message": "try later", "code": "insufficient_quota"}, True, None),
        ("try later", False, 7.0),
    ],
)
def test_an_error_inside_a_200_is_the_failure_that_it_names(
    error: Any, fatal: bool, wait: float | None
) -> None:
    body = json.dumps({"error": error, "choices": []})
    with FakeEndpoint(lambda _: Fault(200, body=body, headers={"retry-after": "7"})) as endpoint:
        failure = refused(endpoint)
    assert (failure.fatal, failure.retry_after, failure.lost) == (fatal, wait, False)
    assert "an error inside a 200" in str(failure) and "try later" in str(failure)


def test_an_error_in_a_choice_is_one_too_and_an_empty_one_beside_a_reply_is_none() -> None:
    choice: dict[str, Any] = {"message": {"content": "half"}, "error": {"message": "cut off", "code": 502}}
    with FakeEndpoint(lambda _: Fault(200, body=json.dumps({"choices": [choice]}))) as endpoint:
        assert refused(endpoint).retry_after == 1.0
    whole = {"choices": [{"message": {"content": "whole"}, "error": None}], "error": {"code": None}}
    with FakeEndpoint(lambda _: Fault(200, body=json.dumps(whole))) as endpoint:
        assert complete(endpoint, ask("x")).text == "whole"


def test_a_refusal_inside_a_200_is_a_reply() -> None:
    error = {"message": "flagged", "code": "content_filter"}
    with FakeEndpoint(lambda _: Fault(200, body=json.dumps({"error": error}))) as endpoint:
        reply = complete(endpoint, ask("x"))
    assert (reply.refusal, reply.finish_reason, reply.text) == (True, "content_filter", "flagged")


def test_a_redirect_is_said_and_not_followed() -> None:
    with FakeEndpoint() as other:
        place = f"{other.url}/chat/completions?key={KEY}"
        with FakeEndpoint(lambda _: Fault(307, "moved", headers={"location": place})) as endpoint:
            failure = refused(endpoint)
        assert not other.requests, "the key goes to no other server"
    assert failure.fatal and f"redirects to {other.url}/chat/completions" in str(failure)
    assert KEY not in str(failure)


@pytest.mark.parametrize(
    "data",
    [
        None, {}, [], [{}], [{"embedding": None}], [{"embedding": []}], [{"embedding": ["1"]}], [{"embedding": "AAA="}],
        [{"embedding": [True]}], [{"embedding": [10**400]}], [{"embedding": [1]}, {"embedding": [1]}],
    ],
)  # fmt: skip
def test_embeddings_that_are_none_are_asked_for_again(data: Any) -> None:
    async def main(url: str) -> None:
        provider = OpenAICompatible("gpt-x", base_url=url, api_key=KEY)
        try:
            with pytest.raises(ModelCallError, match="expected 1 vectors") as caught:
                await provider.embed(["a"], "embed-x")
            assert caught.value.retry_after == 1.0 and caught.value.lost
        finally:
            await provider.aclose()

    with FakeEndpoint(lambda _: Fault(200, body=json.dumps({"data": data}))) as endpoint:
        asyncio.run(main(endpoint.url))


def test_the_account_that_is_billed_comes_from_the_environment() -> None:
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj_2"}

    async def main(url: str) -> None:
        provider = make_provider("openai:m", seed=0, base_url=url, environ=environ)
        await provider.complete(ask("x"), trial="t", occurrence=0)
        await provider.aclose()

    with FakeEndpoint() as endpoint:
        asyncio.run(main(endpoint.url))
        headers = endpoint.requests[0].headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_2")
    with pytest.raises(ConfigurationError, match="OPENAI_ORG_ID"):
        make_provider(
            "openai:m", seed=0, base_url="http://127.0.0.1:9", environ=environ | {"OPENAI_ORG_ID": "a\nb"}
        )
