from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from harness.errors import ModelCallError
from harness.gateway.budget import Budget
from harness.gateway.calls import Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.requests.call_kinds import classify, role_of_kind
from harness.gateway.retry import RetryPolicy
from harness.gateway.server.chat_completions import MalformedError
from harness.gateway.server.responses import response, response_request
from harness.gateway.trial_client import TrialClient
from harness.model.roles import JUDGE
from tests.support.lazy_modules import LazyModule

openai = LazyModule("openai")

PYTHON = os.environ.get("HARNESS_EXTROPY_PYTHON", "")  # read before the guard of conftest.py takes it away
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 1}},
    "required": ["city", "people"],
    "additionalProperties": False,
}


def asked(**more: Any) -> Request:
    return response_request({"input": "hello", **more})


def formed(schema: Any = SCHEMA, name: str = "town") -> dict[str, Any]:
    return {"format": {"type": "json_schema", "name": name, "strict": True, "schema": schema}}


# The request


def test_a_text_becomes_a_message() -> None:
    request = response_request({"model": "m", "input": "hello", "instructions": "Be brief."})
    assert request.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
    ]
    assert request.model == "m" and request.response_format is None and not request.extra


def test_messages_and_their_parts() -> None:
    parts = [{"type": "input_text", "text": "one"}, {"type": "input_text", "text": "two"}]
    said = [{"type": "output_text", "text": "so", "annotations": []}]
    request = response_request(
        {
            "input": [
                {"role": "developer", "content": "Be brief."},
                {"type": "message", "role": "user", "content": parts},
                {
                    "type": "message",
                    "role": "assistant",
                    "id": "msg_1",
                    "status": "completed",
                    "content": said,
                },
            ]
        }
    )
    assert request.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "so"},
    ]


def test_what_else_is_passed_on() -> None:
    request = asked(
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.1,
        reasoning={"effort": "low"},
        text=formed(),
        store=False,
    )
    assert (request.max_tokens, request.temperature) == (9, 0.5)
    assert request.extra == {"top_p": 0.1, "reasoning_effort": "low"}
    assert request.response_format == {
        "type": "json_schema",
        "json_schema": {"name": "town", "strict": True, "schema": SCHEMA},
    }
    assert asked(text={"format": {"type": "text"}}).response_format is None
    assert asked(text={"format": {"type": "json_object"}}).response_format == {"type": "json_object"}
    assert asked(tools=[], tool_choice="auto", include=[], truncation="disabled", stream=False)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "input: expected a text, or a list"),
        ({"input": []}, "input: expected a text, or a list"),
        ({"input": [7]}, "input[0]: 'int' is not supported"),
        ({"input": [{"type": "reasoning"}]}, "input[0]: 'reasoning' is not supported"),
        ({"input": [{"type": "function_call_output"}]}, "input[0].call_id: expected a text"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0]: expected call_id, name and arguments"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role='robot'"),
        ({"input": [{"role": [], "content": "x"}]}, "input[0].role='[]'"),
        ({"input": [{"role": "user"}]}, "input[0].content: expected"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "'input_image' is not supported"),
        ({"input": "x", "stream": "yes"}, "stream='yes': wrong type"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "tools[0]: 'web_search' is not supported"),
        ({"input": "x", "tools": {"f": 1}}, "tools: expected a list"),
        ({"input": "x", "background": True}, "background=True is not supported"),
        ({"input": "x", "previous_response_id": "resp_1"}, "previous_response_id is not supported"),
        ({"input": "x", "instructions": 1}, "instructions: expected a text"),
        ({"input": "x", "text": "json"}, "text: expected an object"),
        ({"input": "x", "text": {"colour": 1}}, "text.colour is not supported"),
        ({"input": "x", "text": {"format": {"type": "xml"}}}, "expected type text, json_object, or json_schema"),
        ({"input": "x", "text": formed({"type": 7})}, "json_schema with a valid schema"),
        ({"input": "x", "max_output_tokens": "9"}, "max_output_tokens='9': wrong type"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_by_name(body: dict[str, Any], problem: str) -> None:
    with pytest.raises(MalformedError) as error:
        response_request(body)
    assert problem in str(error.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "format", "schema", "name", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_NAMES = ["input", "instructions", "text", "tools", "reasoning", "stream", "model", "temperature", "include"]


@given(st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=5), _JSON, max_size=5))
@example({"model": "m", "input": "hello"})
def test_any_body_is_a_request_or_malformed(body: dict[str, Any]) -> None:
    try:
        request = response_request(body)
    except MalformedError as error:
        assert 0 < len(str(error)) < 400
    else:
        assert request.messages


@pytest.mark.parametrize(
    ("name", "kind"), [("agent_reasoning", "reason"), ("classification", "classify"), ("town", "other")]
)
def test_the_calls_of_extropy_are_told_apart(name: str, kind: str) -> None:
    assert classify(asked(text=formed(name=name))) == kind
    assert (role_of_kind(kind) == JUDGE) == (kind == "classify")


# The answer


@pytest.mark.parametrize(
    ("reply", "status", "reason", "kind"),
    [
        (Reply("yes", tokens_in=3, tokens_out=2), "completed", None, "output_text"),
        (Reply("ye", finish_reason="length"), "incomplete", "max_output_tokens", "output_text"),
        (Reply("no", refusal=True), "completed", None, "refusal"),
        (Reply("", finish_reason="content_filter"), "incomplete", "content_filter", "refusal"),
    ],
)
def test_every_end_of_a_reply(reply: Reply, status: str, reason: str | None, kind: str) -> None:
    from openai.types.responses import Response

    found = Response.model_validate(response(reply, {"input": "x"}))
    assert found.status == status
    assert (found.incomplete_details and found.incomplete_details.reason) == reason
    message = found.output[0]
    assert message.type == "message" and message.content[0].type == kind
    assert found.usage and found.usage.total_tokens == reply.tokens_in + reply.tokens_out


# The real SDK over real HTTP


class Says(RehearsalProvider):
    """Answers ``reply``, or raises it."""

    def __init__(self, reply: Reply | Exception) -> None:
        super().__init__(1)
        self._reply = reply

    async def complete(self, request: Request, *, trial: str, occurrence: int) -> Reply:
        if isinstance(self._reply, Exception):
            raise self._reply
        return self._reply


def served(
    work: Callable[[openai.AsyncOpenAI, TrialClient], Awaitable[None]],
    provider: RehearsalProvider | None = None,
    **more: Any,
) -> None:
    async def main() -> None:
        gateway = Gateway(provider or RehearsalProvider(1), retry=RetryPolicy(1, max_replies=1), **more)
        base_url = await gateway.start_server()
        client = gateway.open_trial("t", "run")
        try:
            async with openai.AsyncOpenAI(api_key=client.token, base_url=base_url, max_retries=0) as model:
                await work(model, client)
        finally:
            await gateway.aclose()

    asyncio.run(main())


class Town(BaseModel):
    city: str
    people: int


def test_text_json_and_parsed_answers() -> None:
    async def work(model: openai.AsyncOpenAI, client: TrialClient) -> None:
        text = await model.responses.create(model="m", input="hello", instructions="Be brief.")
        assert text.output_text and text.object == "response" and text.status == "completed"
        assert text.model == "rehearsal-1" and text.id.startswith("resp_") and text.error is None
        assert text.usage and text.usage.input_tokens == 4 and text.usage.output_tokens > 0
        strict = await model.responses.create(model="m", input="hello", text=formed())  # type: ignore[arg-type]
        assert json.loads(strict.output_text).keys() == {"city", "people"}
        parsed = await model.responses.parse(model="m", input="hello", text_format=Town)
        assert isinstance(parsed.output_parsed, Town)
        again = await model.responses.create(model="m", input="hello", instructions="Be brief.")
        assert again.output_text != text.output_text, "two samples of one question"
        assert client.usage().total_calls == 4 and client.failed == 0

    served(work)


def test_a_refusal_is_said_in_the_words_of_the_api() -> None:
    async def work(model: openai.AsyncOpenAI, client: TrialClient) -> None:
        for more in ({}, {"text": formed()}):
            found = await model.responses.create(model="m", input="hello", **more)  # type: ignore[call-overload]
            assert found.output[0].content[0].type == "refusal" and found.output_text == ""
        assert client.refusals == 2 and client.failure is None

    served(work, Says(Reply("I would rather not.", refusal=True)))


def test_errors_have_the_shape_that_the_sdk_reads() -> None:
    async def work(model: openai.AsyncOpenAI, client: TrialClient) -> None:
        with pytest.raises(openai.BadRequestError, match="web_search") as wrong:
            await model.responses.create(model="m", input="x", tools=[{"type": "web_search"}])
        assert wrong.value.type == "invalid_request_error"
        with pytest.raises(openai.BadRequestError, match="cut at the length limit") as cut:
            await model.responses.create(model="m", input="x", max_output_tokens=16)
        assert cut.value.code == "model_call_failed"
        async with openai.AsyncOpenAI(api_key="t1.x", base_url=client.base_url, max_retries=0) as stranger:
            with pytest.raises(openai.AuthenticationError):
                await stranger.responses.create(model="m", input="x")
        assert client.failed == 2

    served(work, Says(Reply("and then", finish_reason="length")))


def test_the_budget_counts_and_the_last_word_is_remembered() -> None:
    async def work(model: openai.AsyncOpenAI, client: TrialClient) -> None:
        with pytest.raises(openai.BadRequestError):
            await model.responses.create(model="m", input="x", background=True)
        await model.responses.create(model="m", input="x")
        with pytest.raises(openai.BadRequestError, match="call"):
            await model.responses.create(model="m", input="y")
        assert isinstance(client.failure, ModelCallError) and client.failure.fatal and client.failed == 2

    served(work, budget=Budget(max_calls=1))


@pytest.mark.skipif(not PYTHON, reason="HARNESS_EXTROPY_PYTHON is not set: no other SDK to try")
def test_the_sdk_of_extropy_reads_it_too() -> None:
    code = (
        "import openai, sys\n"
        "assert openai.__version__.startswith('1.'), openai.__version__\n"
        "client = openai.OpenAI(api_key=sys.argv[1], base_url=sys.argv[2], max_retries=0)\n"
        "found = client.responses.create(model='m', input=[{'role': 'user', 'content': 'hello'}])\n"
        "assert found.output[0].content[0].type == 'output_text' and found.usage.input_tokens == 2\n"
        "try:\n    client.responses.create(model='m', input='x', tools=[{'type': 'web_search'}])\n"
        "except openai.BadRequestError as error:\n    print(found.output_text, error.code, error.type)\n"
    )

    async def work(model: openai.AsyncOpenAI, client: TrialClient) -> None:
        ran = await asyncio.to_thread(
            subprocess.run,
            [PYTHON, "-c", code, client.token, client.base_url],
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.split()[-2:] == ["model_call_failed", "invalid_request_error"]

    served(work)
