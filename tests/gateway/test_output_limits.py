"""How long a reply may be: what is sent, what is held against the budget, and what a cut reply becomes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.endpoint import FakeEndpoint, Fault

from harness.errors import ContextOverflowError, OutputLimitError, UnsupportedParameterError
from harness.gateway.budget import Budget
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.gateway import Gateway
from harness.gateway.journal.journal import Journal
from harness.gateway.providers.anthropic_messages import AnthropicMessages
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.requests.identity import identified
from harness.gateway.requests.model_options import CallOptions
from harness.gateway.requests.sent_limits import THINKING, SentLimits
from harness.model import merge_options
from harness.plugin.hints import explain

WORDS = ({"role": "user", "content": "Go on."},)


def run(
    endpoint: FakeEndpoint,
    work: Callable[[Gateway], Awaitable[Any]],
    *,
    model: str = "m",
    said: list[str] | None = None,
    **more: Any,
) -> Any:
    async def main() -> Any:
        gateway = Gateway(OpenAICompatible(model, base_url=endpoint.url, api_key="not-a-real-key"), **more)
        gateway.notify = ([] if said is None else said).append
        try:
            return await work(gateway)
        finally:
            await gateway.aclose()

    return asyncio.run(main())


def one_call(kind: str = "act", request: Request | None = None, **more: Any) -> Callable[[Gateway], Any]:
    async def work(gateway: Gateway) -> Reply:
        return await gateway.open_trial("t", "r", **more).complete(
            request or Request(WORDS), CallSite(kind, "Ada")
        )

    return work


def limits_sent(endpoint: FakeEndpoint) -> list[int | None]:
    return [seen.body.get("max_tokens") for seen in endpoint.requests]


@pytest.mark.parametrize(
    ("kind", "options", "own", "sent"),
    [
        ("act", {}, None, 1024),
        ("score_person", {}, None, 768),
        ("extract", {}, None, 2048),
        ("answer", {}, None, 4096),
        ("act", {"max_tokens": 50}, None, 50),
        ("act", {"max_tokens": {"act": 60, "*": 70}}, None, 60),
        ("answer", {"max_tokens": {"act": 60, "*": 70}}, None, 70),
        ("answer", {"max_tokens": {"act": 60}}, None, 4096),
        ("act", {"max_tokens": "unlimited"}, None, None),
        ("act", {"max_tokens": {"act": "unlimited", "*": 70}}, None, None),
        ("act", {"max_tokens": 50}, 9, 9),
        ("act", {}, 9, 9),
    ],
)
def test_each_kind_of_call_is_sent_with_its_limit(
    kind: str, options: Mapping[str, Any], own: int | None, sent: int | None
) -> None:
    with FakeEndpoint() as endpoint:
        run(endpoint, one_call(kind, Request(WORDS, max_tokens=own), options=CallOptions(options)))
    assert limits_sent(endpoint) == [sent]


def test_a_limit_of_one_kind_reaches_a_judge_of_its_own_and_arms_cannot_set_it() -> None:
    options = CallOptions(
        {"max_tokens": {"score_person": 90, "*": 70}}, {"max_tokens": 5}, judge={"temperature": 0}
    )
    assert options.of("score_person", apart=True) == {"temperature": 0, "max_tokens": 90}
    assert options.of("extract", apart=True) == {"temperature": 0}
    assert options.of("extract", apart=False)["max_tokens"] == 70
    assert options.of("act", apart=False)["max_tokens"] == 5


def test_levels_change_the_kinds_that_they_name() -> None:
    experiment, session, arm = {"max_tokens": {"act": 300, "extract": 900}}, {"max_tokens": 500}, {}
    assert merge_options(experiment, session, arm) == {"max_tokens": 500}
    assert merge_options(session, experiment) == {"max_tokens": {"*": 500, "act": 300, "extract": 900}}
    assert merge_options(experiment, {"max_tokens": {"act": None}}) == {"max_tokens": {"extract": 900}}
    assert merge_options(experiment, {"max_tokens": None}) == {}


def test_a_default_limit_leaves_the_identity_of_a_request_alone_and_is_kept_with_its_reply(
    tmp_path: Path,
) -> None:
    plain = identified(Request(WORDS), model="m")[0].digest
    with FakeEndpoint() as endpoint:
        first = run(endpoint, one_call(), journal=Journal(tmp_path))
        second = run(endpoint, one_call(), journal=Journal(tmp_path))
    assert limits_sent(endpoint) == [1024], "the journal answers the second time"
    assert first.call == second.call
    assert first.call.startswith(f"act:{plain}:")
    assert (first.limit, second.limit) == (1024, 1024)


def test_a_truncated_reply_is_rejected_with_its_limit_and_the_error_names_the_way_out() -> None:
    rejections: list[Mapping[str, Any]] = []

    async def work(gateway: Gateway) -> None:
        client = gateway.open_trial("t", "r", options=CallOptions({"max_tokens": {"act": 40}}))
        try:
            await client.complete(Request(WORDS), CallSite("act", "Ada"))
        finally:
            rejections.extend(client.rejections)

    with FakeEndpoint(finish_reason="length") as endpoint, pytest.raises(OutputLimitError) as caught:
        run(endpoint, work)
    assert {one["reason"] for one in rejections} == {"cut at the length limit of 40 tokens"}
    assert len(rejections) == len(endpoint.requests) == 4
    assert "the last reply was cut at the length limit of 40 tokens" in str(caught.value)
    assert "--model-option (max_tokens=N; max_tokens.KIND=N for one kind)" in explain(caught.value)


def test_the_budget_holds_the_limit_that_is_sent() -> None:
    held: list[int] = []

    async def work(gateway: Gateway) -> None:
        await gateway.open_trial("t", "r").complete(Request(WORDS), CallSite("score_person"))

    budget = Budget(max_tokens=2_000)

    async def before(_number: int) -> None:
        held.append(budget.held.tokens)

    with FakeEndpoint(before=before) as endpoint:
        run(endpoint, work, budget=budget)
    assert 768 < held[0] < 768 + 700, (
        "prompt and overhead beside the limit, not the bound of an unlimited reply"
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o-mini", 768),
        ("llama-3.1-8b", 768),
        ("o4-mini", 768 + THINKING),
        ("gpt-5-nano", 768 + THINKING),
        ("deepseek-reasoner", 768 + THINKING),
        ("qwen3:4b", 768 + THINKING),
        ("google/gemini-2.5-flash", 768 + THINKING),
        ("gpt-4o-turbo3", 768),
    ],
)
def test_a_model_known_to_think_has_room_for_it(model: str, expected: int) -> None:
    assert SentLimits(model).of("score_person", Request(WORDS)) == expected


def test_anthropics_thinking_budget_is_added() -> None:
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 3000}}
    assert SentLimits("claude-x").of("score_person", Request(WORDS, extra=thinking)) == 3768


def test_a_model_that_turns_out_to_think_gets_room_after_its_first_truncated_thought() -> None:
    said: list[str] = []

    def message(body: Mapping[str, Any], _number: int) -> Mapping[str, Any]:
        endpoint._finish_reason = "length" if body["max_tokens"] < 5000 else "stop"
        if body["max_tokens"] < 5000:
            return {"content": "", "reasoning_content": "Let me think about"}
        return {"content": "Five coins.", "reasoning_content": "Let me think about it."}

    with FakeEndpoint(message=message) as endpoint:
        reply = run(endpoint, one_call(), said=said)
    assert reply.text == "Five coins."
    assert limits_sent(endpoint) == [1024, 1024 + THINKING]
    assert said == [
        "Model openai:m: it thinks before it answers; default output limits now leave 8,192 tokens more for that."
    ]


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("max_tokens is too large: 4096. This model supports at most 512 completion tokens.", 512),
        ("max_tokens: 4096 > 512, which is the maximum allowed number of output tokens for this model", 512),
        ("'max_tokens' is not permitted on this endpoint, and neither is max_completion_tokens", None),
    ],
)
def test_a_default_limit_that_a_server_refuses_is_lowered_or_left_out_for_all_later_calls(
    message: str, sent: int | None
) -> None:
    said: list[str] = []

    def refuse(body: Mapping[str, Any]) -> Fault | None:
        over = max(body.get(name) or 0 for name in ("max_tokens", "max_completion_tokens"))
        return Fault(400, message) if over > 512 else None

    async def twice(gateway: Gateway) -> None:
        for step in (1, 2):
            await gateway.open_trial(f"t{step}", "r").complete(Request(WORDS), CallSite("answer"))

    with FakeEndpoint(refuse=refuse) as endpoint:
        run(endpoint, twice, said=said)
    assert [seen.body.get("max_tokens") for seen in endpoint.requests][-2:] == [sent, sent]
    assert sum("default output limit" in one for one in said) == 1


def test_a_declared_limit_that_a_server_refuses_ends_the_session() -> None:
    message = "max_tokens is too large: 4096. This model supports at most 512 completion tokens."
    refusing = FakeEndpoint(refuse=lambda _body: Fault(400, message))
    with refusing as endpoint, pytest.raises(UnsupportedParameterError, match="too large") as caught:
        run(endpoint, one_call(options=CallOptions({"max_tokens": 4096})))
    assert caught.value.fatal
    assert len(endpoint.requests) == 1


def test_where_prompt_and_default_limit_exceed_the_context_the_prompt_goes_alone() -> None:
    overflow = (
        "This model's maximum context length is 2048 tokens. However, you requested 2600 tokens "
        "(1576 in the messages, 1024 in the completion)."
    )
    refuse = lambda body: Fault(400, overflow) if "max_tokens" in body else None  # noqa: E731
    with FakeEndpoint(refuse=refuse) as endpoint:
        assert run(endpoint, one_call()).text == "pong 1"
    assert limits_sent(endpoint) == [1024, None]


def test_a_prompt_that_is_too_long_by_itself_fails_its_call_at_once() -> None:
    overflow = "the request exceeds the available context size, try increasing it"
    refusing = FakeEndpoint(refuse=lambda _body: Fault(400, overflow))
    with refusing as endpoint, pytest.raises(ContextOverflowError) as caught:
        run(endpoint, one_call())
    assert not caught.value.fatal
    assert len(endpoint.requests) == 2, "with the default limit, and without it"


def test_anthropics_api_gets_the_default_of_the_kind() -> None:
    from harness.gateway.providers.anthropic_wire import parameters
    from harness.gateway.requests.sent_limits import limited

    request = limited(Request(WORDS), SentLimits("claude-x").of("act", Request(WORDS)))
    assert parameters(request, model="claude-x", strict=lambda schema: schema)["max_tokens"] == 1024
    assert AnthropicMessages.name == "anthropic"
