from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from support.requests import SCORE

from harness.errors import ModelCallError
from harness.gateway.calls import Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.retry import RetryPolicy
from harness.gateway.server.app import MAX_BODY
from harness.gateway.trial_client import TrialClient
from tests.support.lazy_modules import LazyModule

openai = LazyModule("openai")

HELLO = [{"role": "user", "content": "hello"}]


class LLMScalarWithJustificationResponse(BaseModel):
    justification: str
    value: str | int | float | bool
    confidence: float


class Echo(RehearsalProvider):
    """Keeps what it was asked and answers ``text``; an exception is raised."""

    def __init__(self, text: str | Exception = "ok", **more: Any) -> None:
        super().__init__(1)
        self.said, self.more, self.seen = text, more, list[Request]()

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        self.seen.append(request)
        if isinstance(self.said, Exception):
            raise self.said
        return Reply(self.said, model=self.model, **self.more)

    async def embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        return await super().embed(texts, model)


def served(
    work: Callable[[Gateway, TrialClient], Awaitable[None]],
    provider: RehearsalProvider | None = None,
    **more: Any,
) -> None:
    """Run ``work`` while the face serves one trial."""

    async def main() -> None:
        gateway = Gateway(provider or RehearsalProvider(1), **more)
        base_url = await gateway.start_server()
        client = gateway.open_trial("t", "run")
        assert client.base_url == base_url == await gateway.start_server()
        try:
            await work(gateway, client)
        finally:
            await gateway.aclose()

    asyncio.run(main())


def sdk(client: TrialClient, **more: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=client.token, base_url=client.base_url, max_retries=0, **more)


async def post(url: str, body: bytes, token: str = "", method: str = "POST") -> tuple[int, dict[str, Any]]:
    """Status and JSON of a plain HTTP request."""

    def send() -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            url, body or None, {"Authorization": f"Bearer {token}"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return await asyncio.to_thread(send)


def test_each_response_format_by_the_asynchronous_sdk() -> None:
    async def work(gateway: Gateway, client: TrialClient) -> None:
        async with sdk(client) as model:
            text = await model.chat.completions.create(model="m", messages=HELLO)
            assert text.choices[0].message.content and text.choices[0].finish_reason == "stop"
            assert text.model == "rehearsal-1" and text.usage and text.usage.prompt_tokens == 2
            loose = await model.chat.completions.create(
                model="m", messages=HELLO, response_format={"type": "json_object"}
            )
            assert isinstance(json.loads(loose.choices[0].message.content or ""), dict)
            strict = await model.chat.completions.create(model="m", messages=HELLO, response_format=SCORE)
            assert 0 <= json.loads(strict.choices[0].message.content or "")["value"] <= 9
            parsed = await model.chat.completions.parse(
                model="m", messages=HELLO, response_format=LLMScalarWithJustificationResponse
            )
            assert parsed.choices[0].message.parsed and parsed.choices[0].message.parsed.value in range(10)
            vectors = await model.embeddings.create(model="e", input=["one", "two"])
            assert [len(item.embedding) for item in vectors.data] == [1536, 1536]
            assert [each.id async for each in await model.models.list()] == ["rehearsal-1"]
        assert dict(client.usage().calls) == {"other": 3, "score_person": 1, "embedding": 1}
        assert gateway.calls == 5 and client.failure is None

    served(work)


def test_each_response_format_by_the_synchronous_sdk() -> None:
    def talk(client: TrialClient) -> list[str | None]:
        with openai.OpenAI(api_key=client.token, base_url=client.base_url, max_retries=0) as model:
            forms: list[Any] = [openai.NOT_GIVEN, {"type": "json_object"}, SCORE]
            said = [
                model.chat.completions.create(model="m", messages=HELLO, response_format=form)
                for form in forms
            ]
            packed = model.embeddings.create(model="e", input="one").data[0].embedding
            plain = model.embeddings.create(model="e", input="one", encoding_format="float").data[0].embedding
            assert packed == pytest.approx(plain, abs=1e-6)
            return [each.choices[0].message.content for each in said]

    async def work(gateway: Gateway, client: TrialClient) -> None:
        text, loose, strict = await asyncio.to_thread(talk, client)
        assert text and isinstance(json.loads(loose or ""), dict) and "value" in json.loads(strict or "")

    served(work)


def test_what_the_protocol_allows_reaches_the_provider() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    provider = Echo("", tool_calls=[call], finish_reason="tool_calls")

    async def work(gateway: Gateway, client: TrialClient) -> None:
        tool: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
        async with sdk(client) as model:
            answer = await model.chat.completions.create(
                model="m",
                messages=HELLO,
                tools=[tool],
                top_p=0.5,
                max_completion_tokens=9,
                temperature=0.25,
                stop=".",
            )
        assert answer.choices[0].message.content is None
        assert answer.choices[0].message.tool_calls and answer.choices[0].message.tool_calls[0].id == "1"
        seen = provider.seen[0]
        assert (seen.model, seen.temperature, seen.max_tokens) == ("m", 0.25, 9)
        assert seen.extra == {"tools": [tool], "top_p": 0.5, "stop": "."}

    served(work, provider)


@pytest.mark.parametrize("token", ["", "wrong", "t1.", "t1.wrong", "t2.x", "\u00e9"])
def test_without_a_valid_token_nothing_is_answered(token: str) -> None:
    async def work(gateway: Gateway, client: TrialClient) -> None:
        for path, method in (("chat/completions", "POST"), ("embeddings", "POST"), ("models", "GET")):
            status, answer = await post(
                f"{client.base_url}/{path}", b"{}" * (method == "POST"), token, method
            )
            assert status == 401
            assert "Authorization: Bearer" in answer["error"]["message"]
            assert answer["error"]["type"] == "authentication_error"
        assert gateway.calls == 0 and client.failure is None

    served(work)


def test_a_closed_trial_is_refused() -> None:
    async def work(gateway: Gateway, client: TrialClient) -> None:
        gateway.close_trial(client)
        async with sdk(client) as model:
            with pytest.raises(openai.AuthenticationError):
                await model.chat.completions.create(model="m", messages=HELLO)

    served(work)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "chat/completions", b"", 400, "not JSON"),
        ("POST", "chat/completions", b"[]", 400, "not a JSON object"),
        ("POST", "chat/completions", b"{", 400, "not JSON"),
        ("POST", "chat/completions", b'{"messages": [{"n": NaN}]}', 400, "not JSON"),
        ("POST", "chat/completions", b'{"messages": []}', 400, "at least one message"),
        ("POST", "chat/completions", b'{"messages": ["x"]}', 400, "at least one message"),
        (
            "POST",
            "chat/completions",
            b'{"messages": [{}], "stream": "yes"}',
            400,
            "stream='yes': wrong type",
        ),
        ("POST", "chat/completions", b'{"messages": [{}], "n": 200}', 400, "n=200; expected 1 to 128"),
        ("POST", "chat/completions", b'{"messages": [{}], "model": 2}', 400, "model='2'"),
        (
            "POST",
            "chat/completions",
            b'{"messages": [{}], "response_format": {"type": "xml"}}',
            400,
            "response_format",
        ),
        ("POST", "embeddings", b'{"input": [1, 2]}', 400, "input: expected"),
        ("POST", "chat/completions", b'{"x": "' + b"a" * MAX_BODY + b'"}', 413, "8,388,608 bytes"),
        (
            "POST",
            "embeddings",
            b'{"input": [' + b'"",' * 2048 + b'""]}',
            400,
            "2,049 texts; expected at most 2,048",
        ),
        ("POST", "completions", b"{}", 404, "POST /v1/completions"),
        ("POST", "chat/completions/", b"{}", 404, "POST /v1/chat/completions/"),
        ("GET", "../etc/passwd", b"", 404, "known: POST /v1/chat/completions"),
        ("GET", "chat/completions", b"", 405, "GET /v1/chat/completions"),
        ("DELETE", "models", b"", 405, "DELETE /v1/models"),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_in_openai_s_shape(
    method: str, path: str, body: bytes, status: int, said: str
) -> None:
    async def work(gateway: Gateway, client: TrialClient) -> None:
        got, answer = await post(f"{client.base_url}/{path}", body, client.token, method)
        assert (got, set(answer["error"])) == (status, {"message", "type", "param", "code"})
        assert said in answer["error"]["message"]
        assert gateway.calls == 0
        assert (client.failure is not None) == (status in (400, 413))

    served(work)


def test_an_invalid_schema_is_refused() -> None:
    async def work(gateway: Gateway, client: TrialClient) -> None:
        async with sdk(client) as model:
            for schema in ({"type": "nonsense"}, {"minimum": "one"}):
                wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
                with pytest.raises(openai.BadRequestError, match="valid schema"):
                    await model.chat.completions.create(model="m", messages=HELLO, response_format=wanted)
        assert gateway.calls == 0

    served(work)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("not json", "no acceptable reply in 2 attempts"),
        (ModelCallError("no such model", fatal=True), "no such model"),
        (RuntimeError("a bug"), "RuntimeError: a bug"),
    ],
)
def test_what_is_given_up_is_a_400_and_the_trial_s_failure(said: str | Exception, message: str) -> None:
    async def work(gateway: Gateway, client: TrialClient) -> None:
        async with sdk(client) as model:
            with pytest.raises(openai.BadRequestError, match=message):
                await model.chat.completions.create(model="m", messages=HELLO, response_format=SCORE)
        assert isinstance(client.failure, ModelCallError) and message in str(client.failure)
        assert client.failure.fatal == getattr(said, "fatal", False)

    served(work, Echo(said), retry=RetryPolicy(max_replies=2))


def test_a_refusal_is_one_for_foreign_clients_too() -> None:
    async def work(gateway: Gateway, client: TrialClient) -> None:
        async with sdk(client) as model:
            answer = await model.chat.completions.create(model="m", messages=HELLO)
        message = answer.choices[0].message
        assert (message.refusal, message.content) == ("I will not.", "I will not.")

    served(work, Echo("I will not.", refusal=True))


def test_after_halt_the_answer_is_a_400() -> None:
    async def work(gateway: Gateway, client: TrialClient) -> None:
        gateway.halt()
        async with sdk(client) as model:
            with pytest.raises(openai.BadRequestError, match="the run stopped"):
                await model.chat.completions.create(model="m", messages=HELLO)
        assert "the run stopped" in str(client.failure)

    served(work)


def test_the_port_is_closed_afterwards() -> None:
    urls: list[str] = []

    async def work(gateway: Gateway, client: TrialClient) -> None:
        urls.append(client.base_url)

    served(work)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{urls[0]}/models", timeout=2)


# What a foreign engine cannot use


async def reject(client: TrialClient, kind: str = "other", reason: str | None = None) -> Any:
    body = json.dumps({"kind": kind, "reason": reason}).encode()
    status, told = await post(f"{client.base_url}/harness/rejections", body, client.token)
    assert status == 200
    return told


def test_a_rejected_reply_is_asked_for_again_and_counted_over_a_cut(tmp_path: Path) -> None:
    said: list[str | None] = []

    async def work(_gateway: Gateway, client: TrialClient) -> None:
        told = await reject(client)
        said.append(await hello(client))
        said.append(await hello(client, "another"))
        again = await reject(client, reason="no list")
        assert again == {"rejected": True, "rejections": told["rejections"] + 1, "reason": "no list"}
        assert client.rejections[-1]["reason"] == "no list"

    echo = Echo()
    for number in range(3):
        echo.said = f"reply {number}"
        served(work, echo, journal=Journal(tmp_path))
    assert said == ["reply 0", "reply 0", "reply 0", "reply 1", "reply 0", "reply 2"]
    assert [len(echo.seen), len({request.digest for request in echo.seen})] == [4, 2]


async def hello(client: TrialClient, *more: str) -> str | None:
    messages: Any = [*HELLO, *({"role": "user", "content": text} for text in more)]
    async with sdk(client) as asking:
        answer = await asking.chat.completions.create(model="m", messages=messages)
    return answer.choices[0].message.content


def test_only_the_latest_reply_of_a_kind_is_rejected_and_no_refusal() -> None:
    async def work(_gateway: Gateway, client: TrialClient) -> None:
        nothing = {"rejected": False, "rejections": 0, "reason": None}
        assert await reject(client, reason="nothing was asked") == nothing
        await hello(client)
        assert await reject(client, "extract", "another kind") == nothing
        assert (await reject(client, reason="x" * 10_000))["reason"] == "x" * 500
        assert (await reject(client, reason="twice"))["rejected"] is False
        echo.more = {"refusal": True}
        await hello(client, "more")
        assert (await reject(client, reason="it declined"))["rejected"] is False
        assert client.failure is None

    echo = Echo()
    served(work, echo)


@pytest.mark.parametrize("body", [{}, {"kind": 1}, {"kind": "extract", "reason": ["x"]}])
def test_a_rejection_has_a_kind_and_a_reason(body: Any) -> None:
    async def work(_gateway: Gateway, client: TrialClient) -> None:
        url = f"{client.base_url}/harness/rejections"
        status, told = await post(url, json.dumps(body).encode(), client.token)
        assert status == 400
        assert "expected 'kind', a text, and 'reason', a text or null." in told["error"]["message"]
        assert (await post(url, b"{}"))[0] == 401

    served(work)
