"""OpenRouter's accounts and failures, Azure's paths and filters, against a fake on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request as HTTPRequest
from support.endpoint import FakeEndpoint, Fault
from support.requests import ask

from harness.errors import ConfigurationError, ModelCallError
from harness.gateway.calls import Reply
from harness.gateway.providers import make_provider
from harness.gateway.providers.openai_compatible import Azure, OpenAICompatible
from harness.gateway.providers.openrouter import OpenRouter, stated_cost

KEY = "not-a-real-key-0123456789"


def complete(provider: OpenAICompatible, **more: Any) -> Reply:
    async def main() -> Reply:
        try:
            return await provider.complete(ask("s", "x", **more), trial="t", occurrence=0)
        finally:
            await provider.aclose()

    return asyncio.run(main())


def answered(**more: Any) -> Fault:
    """A 200 with a body that FakeEndpoint would not make."""
    usage = {"prompt_tokens": 194, "completion_tokens": 2, "total_tokens": 196}
    body: dict[str, Any] = {
        "id": "gen-1",
        "object": "chat.completion",
        "created": 0,
        "model": "openai/gpt-4o-mini",
        "provider": "Azure",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        "usage": usage | more.pop("usage", {}),
    }
    return Fault(200, body=json.dumps(body | more))


def through_openrouter(answer: Fault) -> Reply:
    with FakeEndpoint(lambda _: answer) as endpoint:
        return complete(OpenRouter("openai/gpt-4o-mini", base_url=endpoint.url, api_key=KEY))


def test_openrouter_states_the_cost_the_cache_and_who_served() -> None:
    details = {"cached_tokens": 90, "cache_write_tokens": 100}
    reply = through_openrouter(answered(usage={"cost": 0.95, "prompt_tokens_details": details}))
    assert (reply.cost, reply.cost_reason) == (0.95, None)
    assert (reply.tokens_in, reply.tokens_cached, reply.tokens_written) == (194, 90, 100)
    assert (reply.model, reply.fingerprint) == ("openai/gpt-4o-mini", "Azure")
    assert through_openrouter(answered(system_fingerprint="fp_1")).fingerprint == "fp_1"


def test_openrouter_without_a_cost_says_so() -> None:
    reply = through_openrouter(answered())
    assert (reply.cost, reply.cost_reason) == (None, "the reply of OpenRouter states no cost")


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({}, None),
        ({"cost": 0}, 0.0),
        ({"cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": None}}, 0.5),
        ({"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 19}}, 19.5),
        ({"cost": 0.5, "is_byok": True}, None),
        ({"cost": "0.5"}, None),
        ({"cost": True}, None),
        ({"cost": -1}, None),
        ({"cost": float("nan")}, None),
    ],
)
def test_the_cost_that_a_usage_states(usage: Mapping[str, Any], cost: float | None) -> None:
    assert stated_cost(usage) == cost


@given(
    st.dictionaries(
        st.sampled_from(["cost", "is_byok", "cost_details"]),
        st.none()
        | st.floats()
        | st.text()
        | st.booleans()
        | st.dictionaries(st.just("upstream_inference_cost"), st.floats() | st.text()),
    )
)
def test_a_stated_cost_is_none_or_money(usage: Mapping[str, Any]) -> None:
    cost = stated_cost(usage)
    assert cost is None or 0 <= cost < float("inf")


@pytest.mark.parametrize(
    ("answer", "fatal", "again"),
    [
        (answered(choices=[], error={"code": 502, "message": "upstream is down"}), False, True),
        (answered(choices=[], error={"code": "odd", "message": "upstream is down"}), False, True),
        (answered(choices=[], error={"code": 402, "message": "upstream is down"}), True, False),
        (
            answered(
                choices=[
                    {
                        "index": 0,
                        "finish_reason": "error",
                        "message": {"role": "assistant", "content": "ha"},
                        "error": {"code": 500, "message": "upstream is down"},
                    }
                ]
            ),
            False,
            True,
        ),
    ],
)
def test_a_failure_inside_a_200_is_a_failure(answer: Fault, fatal: bool, again: bool) -> None:
    with pytest.raises(ModelCallError, match="upstream is down") as caught:
        through_openrouter(answer)
    assert (caught.value.fatal, caught.value.retry_after is not None) == (fatal, again)


def test_moderation_is_a_refusal_and_other_403s_are_not() -> None:
    flagged = {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"], "flagged_input": "x"}}
    reply = through_openrouter(Fault(403, body=json.dumps({"error": flagged})))
    assert (reply.refusal, reply.text, reply.model, reply.tokens_in) == (True, "flagged", "", 0)
    with pytest.raises(ModelCallError, match="this key may not do that"):
        through_openrouter(Fault(403, "key limit"))


def azure(endpoint: FakeEndpoint, **environ: str) -> Azure:
    known = {"AZURE_OPENAI_ENDPOINT": endpoint.url.removesuffix("/v1"), "AZURE_OPENAI_API_KEY": KEY}
    provider = make_provider("azure:mine", seed=0, environ=known | environ)
    assert isinstance(provider, Azure)
    return provider


class AzureEndpoint(FakeEndpoint):
    """Azure's paths, and what their key and version were."""

    seen: list[tuple[str, str, str]]

    def _application(self) -> Any:
        from starlette.applications import Starlette
        from starlette.routing import Route

        self.seen = []

        async def chat(request: HTTPRequest) -> Any:
            version = request.query_params.get("api-version", "")
            self.seen.append((request.url.path, version, request.headers.get("api-key", "")))
            return await self._chat(request)

        paths = ("/openai/deployments/mine/chat/completions", "/openai/v1/chat/completions")
        return Starlette(routes=[Route(path, chat, methods=["POST"]) for path in paths])


def test_azure_has_paths_a_key_header_and_a_version_of_its_own() -> None:
    with AzureEndpoint() as endpoint:
        reply = complete(azure(endpoint), max_tokens=5)
        complete(azure(endpoint, OPENAI_API_VERSION="2025-01-01-preview"))
    path = "/openai/deployments/mine/chat/completions"
    assert endpoint.seen == [(path, "2024-10-21", KEY), (path, "2025-01-01-preview", KEY)]
    assert reply.model == "mine-2025", "the model that answered is the one that the reply names"
    assert endpoint.requests[0].body["max_completion_tokens"] == 5


def test_azure_s_version_1_api_is_openai_s() -> None:
    with AzureEndpoint() as endpoint:
        base = endpoint.url.removesuffix("/v1") + "/openai/v1/"
        complete(azure(endpoint, AZURE_OPENAI_ENDPOINT=base))
    assert endpoint.seen == [("/openai/v1/chat/completions", "", "")]
    assert endpoint.requests[0].authorization == f"Bearer {KEY}"


def test_azure_without_an_endpoint_and_openai_at_azure_are_explained() -> None:
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT is not set"):
        make_provider("azure:mine", seed=0, environ={"AZURE_OPENAI_API_KEY": KEY})
    with pytest.raises(ConfigurationError, match="is Azure; expected azure:DEPLOYMENT"):
        make_provider(
            "openai:m", seed=0, base_url="https://me.openai.azure.com", environ={"OPENAI_API_KEY": KEY}
        )
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_API_KEY is not set"):
        make_provider("azure:mine", seed=0, base_url="https://me.openai.azure.com", environ={})


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation", "invalid_prompt"])
def test_a_filter_s_400_is_a_refusal(code: str) -> None:
    error = {"error": {"message": "The prompt was filtered.", "code": code, "type": None, "param": "prompt"}}
    with FakeEndpoint(lambda _: Fault(400, body=json.dumps(error))) as endpoint:
        reply = complete(OpenAICompatible("m", base_url=endpoint.url, api_key=KEY))
    assert (reply.refusal, reply.finish_reason) == (True, "content_filter")
    assert reply.text == "The prompt was filtered." and reply.model == ""


@pytest.mark.parametrize(
    ("status", "code", "fatal"),
    [
        (429, "insufficient_quota", True),
        (429, "rate_limit_exceeded", False),
        (400, "unsupported_value", True),
        (400, "unsupported_parameter", True),
        (400, "invalid_type", False),
    ],
)
def test_codes_that_make_an_error_hopeless(status: int, code: str, fatal: bool) -> None:
    body = json.dumps({"error": {"message": "no", "code": code, "type": "x", "param": None}})
    with (
        FakeEndpoint(lambda _: Fault(status, body=body)) as endpoint,
        pytest.raises(ModelCallError) as caught,
    ):
        complete(OpenAICompatible("m", base_url=endpoint.url, api_key=KEY))
    assert caught.value.fatal is fatal
    assert (caught.value.retry_after is None) is (fatal or status == 400)


@pytest.mark.parametrize(
    ("spec", "variable", "kind"),
    [
        ("openrouter:openai/gpt-4o-mini", "OPENROUTER_API_KEY", "OpenRouter"),
        ("anthropic:claude-haiku-4-5", "ANTHROPIC_API_KEY", "AnthropicMessages"),
    ],
)
def test_each_provider_has_a_key_of_its_own(spec: str, variable: str, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable} is not set"):
        make_provider(spec, seed=0, environ={"OPENAI_API_KEY": KEY})
    provider = make_provider(spec, seed=0, environ={variable: KEY, "OPENAI_BASE_URL": "https://x.example"})
    assert type(provider).__name__ == kind and provider.model == spec.partition(":")[2]
    assert KEY not in repr(provider)
    assert "x.example" not in getattr(provider, "base_url", "")
