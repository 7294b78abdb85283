"""Bedrock and Vertex AI through the vendors' own libraries, against servers on loopback that mimic them."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.cloud_endpoint import CloudAnswer, CloudEndpoint, CloudRequest

from harness.errors import (
    ConfigurationError,
    ContextOverflowError,
    ModelCallError,
    RefusedKeyError,
    UnknownModelError,
    UnreachableError,
    UnsupportedParameterError,
)
from harness.extras import MissingExtraError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.providers import make_provider
from harness.gateway.requests.model_options import CallOptions

pytest.importorskip("boto3", reason="needs the extra [bedrock]")
pytest.importorskip("google.genai", reason="needs the extra [vertex]")

CLAUDE, NOVA, GEMINI = (
    "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "bedrock:amazon.nova-lite-v1:0",
    "vertex:gemini-2.5-flash",
)
KEY_ID, SECRET = "AKIAFAKEFAKEFAKE", "fake-secret-fake-secret"
SCHEMA = {
    "type": "object",
    "properties": {"value": {"type": "integer"}},
    "required": ["value"],
    "additionalProperties": False,
}
SCORE = {"type": "json_schema", "json_schema": {"name": "score", "schema": SCHEMA, "strict": True}}
WORDS = ({"role": "system", "content": "You are Ada."}, {"role": "user", "content": "How was it?"})
SEVEN = '{"value": 7}'
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "find",
            "description": "Finds.",
            "parameters": {"type": "object", "properties": {"what": {"type": "string"}}},
        },
    }
]


@functools.cache
def _loader(*_search_path: str) -> Any:
    """One loader of botocore's service descriptions for all tests; each takes half a second to read."""
    from botocore.loaders import Loader

    return Loader()


@functools.cache
def _private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Fake credentials where the vendors' libraries look for them, and no look at the machine's metadata server."""
    for name in (
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setattr("botocore.session.create_loader", _loader)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "proj")
    return tmp_path


def signed_in(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account whose token server is ``url``."""
    account = {
        "type": "service_account",
        "project_id": "proj",
        "private_key_id": "1",
        "private_key": _private_key(),
        "client_email": "ada@proj.example",
        "token_uri": f"{url}/token",
    }
    (folder / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "account.json"))


def converse(text: str = SEVEN, stop: str = "end_turn", **content: Any) -> CloudAnswer:
    blocks = [{"text": text}] if text else []
    blocks += [{name: value} for name, value in content.items()]
    usage = {"inputTokens": 100, "outputTokens": 20, "totalTokens": 220}
    usage |= {"cacheReadInputTokens": 80, "cacheWriteInputTokens": 20}
    message = {"role": "assistant", "content": blocks}
    body = {"output": {"message": message}, "stopReason": stop, "usage": usage, "metrics": {"latencyMs": 1}}
    return CloudAnswer(200, body)


def generate(text: str = SEVEN, stop: str = "STOP", **more: Any) -> CloudAnswer:
    parts = [{"text": "Hm.", "thought": True}, {"text": text}]
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 20, "thoughtsTokenCount": 30}
    usage |= {"cachedContentTokenCount": 60, "totalTokenCount": 150}
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": stop}
    return CloudAnswer(
        200,
        {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash-001", **more},
    )


def aws_error(status: int, kind: str, message: str) -> CloudAnswer:
    return CloudAnswer(status, {"message": message}, {"x-amzn-errortype": kind})


def google_error(status: int, kind: str, message: str) -> CloudAnswer:
    return CloudAnswer(status, {"error": {"code": status, "message": message, "status": kind}})


@dataclass
class Outcome:
    reply: Reply | None = None
    error: ModelCallError | None = None
    sent: list[CloudRequest] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    tokens: int = 0


@pytest.fixture
def ask(credentials: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """What comes of one call to a model whose server gives these answers in turn, then the last one."""

    def run(
        spec: str,
        *answers: CloudAnswer,
        request: Request | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Outcome:
        came = Outcome()

        async def nap(seconds: float) -> None:
            came.waited.append(seconds)

        async def main(url: str) -> None:
            gateway = Gateway(make_provider(spec, seed=1, base_url=url), sleep=nap)
            gateway.notify = gateway.provider.notify = came.said.append  # type: ignore[attr-defined]
            client = gateway.open_trial("talk/Control/1/0/0", options=CallOptions(options or {}))
            try:
                asked = request or Request(WORDS, response_format=SCORE)
                came.reply = await client.complete(asked, CallSite("score_person", "Ada"))
            except ModelCallError as problem:
                came.error = problem
            came.rejected = [one["reason"] for one in client.rejections]
            await gateway.aclose()

        with CloudEndpoint(lambda _seen, number: answers[min(number, len(answers) - 1)]) as endpoint:
            if spec.startswith("vertex"):
                signed_in(credentials, endpoint.url, monkeypatch)
            asyncio.run(main(endpoint.url))
            came.sent, came.tokens = endpoint.requests, endpoint.tokens
        return came

    return run


# Requests and replies


def test_bedrock_gets_prompt_limit_temperature_and_schema_and_its_tokens_are_counted(
    ask: Callable[..., Outcome],
) -> None:
    came = ask(
        CLAUDE, converse(reasoningContent={"reasoningText": {"text": "Hm."}}), options={"temperature": 0.5}
    )
    assert came.error is None and came.reply is not None
    (sent,) = came.sent
    assert sent.path == f"/model/{CLAUDE.partition(':')[2]}/converse"
    assert sent.headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/")
    assert sent.body["system"] == [{"text": "You are Ada."}]
    assert sent.body["messages"] == [{"role": "user", "content": [{"text": "How was it?"}]}]
    assert sent.body["inferenceConfig"] == {"maxTokens": 768, "temperature": 0.5}
    structure = sent.body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(structure["schema"]) == SCHEMA
    reply = came.reply
    assert (reply.data, reply.thoughts, reply.model) == ({"value": 7}, "Hm.", CLAUDE.partition(":")[2])
    tokens = (reply.tokens_in, reply.tokens_cached, reply.tokens_written, reply.tokens_out)
    assert tokens == (200, 80, 20, 20), "Bedrock counts the cache beside the input"


def test_vertex_gets_prompt_limit_temperature_and_schema_and_its_tokens_are_counted(
    ask: Callable[..., Outcome],
) -> None:
    came = ask(GEMINI, generate(), options={"temperature": 0.5, "presence_penalty": 0.3})
    assert came.error is None and came.reply is not None
    (sent,) = came.sent
    place = "projects/proj/locations/us-central1/publishers/google/models"
    assert sent.path.endswith(f"{place}/gemini-2.5-flash:generateContent")
    assert (sent.headers["authorization"], came.tokens) == ("Bearer ya29.fake", 1)
    assert [part["text"] for part in sent.body["systemInstruction"]["parts"]] == ["You are Ada."]
    config = sent.body["generationConfig"]
    assert (config["temperature"], config["presencePenalty"]) == (0.5, 0.3)
    assert config["maxOutputTokens"] >= 768
    assert config["responseJsonSchema"]["required"] == ["value"]
    reply = came.reply
    assert (reply.data, reply.thoughts, reply.model) == ({"value": 7}, "Hm.", "gemini-2.5-flash-001")
    tokens = (reply.tokens_in, reply.tokens_cached, reply.tokens_out)
    assert tokens == (100, 60, 50), "thoughts are output"


def test_a_model_without_json_schema_gets_it_in_the_prompt(ask: Callable[..., Outcome]) -> None:
    came = ask(NOVA, converse())
    assert came.reply is not None and came.reply.data == {"value": 7}
    assert "outputConfig" not in came.sent[0].body
    assert "matches this JSON schema" in came.sent[0].body["system"][0]["text"]
    assert came.reply.form == "prompt"


@pytest.mark.parametrize(
    ("spec", "answer"),
    [(CLAUDE, converse('{"value"', "max_tokens")), (GEMINI, generate('{"value"', "MAX_TOKENS"))],
)
def test_a_reply_cut_at_its_limit_is_rejected_and_sampled_again(
    ask: Callable[..., Outcome], spec: str, answer: CloudAnswer
) -> None:
    came = ask(spec, answer, converse() if spec == CLAUDE else generate())
    assert came.reply is not None and came.reply.data == {"value": 7}
    assert [reason.partition(" of ")[0] for reason in came.rejected] == ["cut at the length limit"]


@pytest.mark.parametrize(
    ("spec", "answer"),
    [(CLAUDE, converse("No.", "guardrail_intervened")), (GEMINI, generate("No.", "SAFETY"))],
)
def test_a_content_filter_is_a_refusal_and_not_asked_again(
    ask: Callable[..., Outcome], spec: str, answer: CloudAnswer
) -> None:
    came = ask(spec, answer, request=Request(WORDS))
    assert came.reply is not None and came.reply.refusal
    assert len(came.sent) == 1


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        (
            CLAUDE,
            converse("", "tool_use", toolUse={"toolUseId": "t1", "name": "find", "input": {"what": "rice"}}),
        ),
        (
            GEMINI,
            CloudAnswer(
                200,
                {
                    "candidates": [
                        {
                            "content": {
                                "role": "model",
                                "parts": [{"functionCall": {"name": "find", "args": {"what": "rice"}}}],
                            },
                            "finishReason": "STOP",
                        }
                    ],
                    "usageMetadata": {
                        "promptTokenCount": 9,
                        "candidatesTokenCount": 5,
                        "totalTokenCount": 14,
                    },
                },
            ),
        ),
    ],
)
def test_tools_and_their_results_travel(ask: Callable[..., Outcome], spec: str, answer: CloudAnswer) -> None:
    earlier = {"id": "t0", "type": "function", "function": {"name": "find", "arguments": '{"what": "tea"}'}}
    talk = (
        *WORDS,
        {"role": "assistant", "content": "", "tool_calls": [earlier]},
        {"role": "tool", "tool_call_id": "t0", "content": "On shelf 3."},
        {"role": "user", "content": "And rice?"},
    )
    came = ask(spec, answer, request=Request(talk, extra={"tools": TOOLS, "tool_choice": "required"}))
    assert came.error is None and came.reply is not None
    (call,) = came.reply.calls
    assert (call.name, call.arguments, came.reply.finish_reason) == ("find", {"what": "rice"}, "tool_calls")
    sent = json.dumps(came.sent[0].body)
    assert all(part in sent for part in ("tea", "On shelf 3.", "And rice?", "Finds."))
    assert '"any"' in sent.lower()


# Failures


@pytest.mark.parametrize(
    ("spec", "answer", "least"),
    [
        (CLAUDE, aws_error(429, "ThrottlingException", "Too many requests, please wait."), 1.0),
        (CLAUDE, aws_error(503, "ServiceUnavailableException", "Busy."), 1.0),
        (CLAUDE, aws_error(408, "ModelTimeoutException", "The model took too long."), 1.0),
        (GEMINI, google_error(429, "RESOURCE_EXHAUSTED", "Resource exhausted."), 1.0),
        (GEMINI, google_error(503, "UNAVAILABLE", "Overloaded."), 1.0),
    ],
)
def test_trouble_that_passes_is_waited_for_and_each_try_is_counted(
    ask: Callable[..., Outcome], spec: str, answer: CloudAnswer, least: float
) -> None:
    came = ask(spec, answer, converse() if spec == CLAUDE else generate())
    assert came.reply is not None and came.reply.data == {"value": 7}
    assert len(came.sent) == 2, "the vendor's library must not retry by itself"
    assert came.waited and came.waited[0] >= least


@pytest.mark.parametrize(
    ("spec", "answer", "kind", "said"),
    [
        (CLAUDE, aws_error(403, "AccessDeniedException", "You don't have access to the model."), RefusedKeyError,
         "You don't have access to the model."),
        (CLAUDE, aws_error(403, "ExpiredTokenException", "The security token is expired"), RefusedKeyError, "expired"),
        (CLAUDE, aws_error(400, "ValidationException", "The provided model identifier is invalid."),
         UnknownModelError, "model identifier is invalid"),
        (CLAUDE, aws_error(404, "ResourceNotFoundException", "No such model."), UnknownModelError, "No such model."),
        (GEMINI, google_error(403, "PERMISSION_DENIED", "Permission denied on resource project."), RefusedKeyError,
         "Permission denied"),
        (GEMINI, google_error(404, "NOT_FOUND", "Publisher Model was not found."), UnknownModelError, "not found"),
    ],
)  # fmt: skip
def test_what_every_call_would_meet_ends_the_session_at_once(
    ask: Callable[..., Outcome], spec: str, answer: CloudAnswer, kind: type[ModelCallError], said: str
) -> None:
    came = ask(spec, answer)
    assert isinstance(came.error, kind) and came.error.fatal
    assert said in str(came.error)
    assert len(came.sent) == 1


def test_a_prompt_beyond_the_context_is_an_overflow(ask: Callable[..., Outcome]) -> None:
    came = ask(CLAUDE, aws_error(400, "ValidationException", "Input is too long for requested model."))
    assert isinstance(came.error, ContextOverflowError)


def test_a_server_that_refuses_connections_ends_the_session(credentials: Path) -> None:
    with CloudEndpoint(lambda _seen, _number: converse()) as endpoint:
        url = endpoint.url
    provider = make_provider(CLAUDE, seed=1, base_url=url)
    with pytest.raises(UnreachableError, match="no connection"):
        asyncio.run(provider.complete(Request(WORDS), trial="t", occurrence=0))


@pytest.mark.parametrize(
    ("spec", "name", "value"),
    [
        (CLAUDE, "seed", 3),
        (CLAUDE, "frequency_penalty", 0.5),
        (NOVA, "reasoning_effort", "low"),
        (GEMINI, "logit_bias", {}),
    ],
)
def test_a_declared_field_that_cannot_reach_the_model_is_refused(
    ask: Callable[..., Outcome], spec: str, name: str, value: Any
) -> None:
    came = ask(spec, converse(), options={name: value})
    assert isinstance(came.error, UnsupportedParameterError) and came.error.fatal
    assert name in str(came.error) and came.sent == []


def test_it_never_answers_for_another_model(ask: Callable[..., Outcome]) -> None:
    came = ask(CLAUDE, converse(), request=Request(WORDS, model="amazon.nova-lite-v1:0"))
    assert came.error is not None and came.error.fatal and came.sent == []


# Configuration


def test_a_missing_extra_is_one_error_with_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "google.genai", None)
    for spec, extra in ((CLAUDE, "bedrock"), (GEMINI, "vertex")):
        with pytest.raises(MissingExtraError, match=rf"pip install 'persona-harness\[{extra}\]'"):
            make_provider(spec, seed=1)


def test_missing_credentials_region_and_project_are_said_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError, match="no Google Cloud credentials were found"):
        make_provider(GEMINI, seed=1)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ConfigurationError, match="no AWS credentials were found"):
        make_provider(CLAUDE, seed=1)
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(ConfigurationError, match="no AWS region"):
        make_provider(CLAUDE, seed=1)


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_the_place_of_a_vertex_model_is_the_one_that_googles_library_uses(
    credentials: Path, monkeypatch: pytest.MonkeyPatch, location: str, host: str
) -> None:
    signed_in(credentials, "http://127.0.0.1:9", monkeypatch)
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", location)
    provider: Any = make_provider(GEMINI, seed=1)
    assert provider.base_url == f"https://{host}"
    assert provider._made.model.base_url.rstrip("/") == provider.base_url


def test_the_replies_of_these_models_come_whole_so_a_first_token_has_no_limit() -> None:
    provider: Any = make_provider(CLAUDE, seed=1)
    with pytest.raises(ConfigurationError, match="its replies come whole"):
        provider.configure(first_token_timeout=3.0)


def test_credentials_reach_neither_errors_nor_the_log(
    ask: Callable[..., Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    came = ask(CLAUDE, aws_error(403, "AccessDeniedException", f"{KEY_ID} with {SECRET} has no access."))
    assert came.error is not None and KEY_ID not in str(came.error) and SECRET not in str(came.error)
    assert KEY_ID not in caplog.text and SECRET not in caplog.text


def test_any_model_of_the_library_can_be_named() -> None:
    provider = make_provider("pydantic-ai:test", seed=1)
    reply = asyncio.run(provider.complete(Request(WORDS), trial="t", occurrence=0))
    assert reply.text.startswith("success")
    with pytest.raises(ConfigurationError, match="Expected pydantic-ai:PROVIDER:MODEL"):
        make_provider("pydantic-ai:nowhere:model", seed=1)
