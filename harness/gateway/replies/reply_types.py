"""Replies of providers that others write: a field of another type than `Reply` declares ends no session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.errors import ModelCallError
from harness.gateway.calls import Reply, Request
from harness.gateway.replies.contents import flattened
from harness.gateway.replies.json_reading import label, shallow
from harness.gateway.replies.token_counts import Stated, counted
from harness.gateway.replies.tool_calls import tool_calls
from harness.model.text import json_fault

_TEXTS = ("text", "thoughts", "model", "finish_reason", "usage", "usage_fault", "form")
_COUNTS = ("tokens_in", "tokens_out", "tokens_cached", "tokens_written")
_MOST = 10**12
"""Tokens and dollars beyond which a number is not believed: databases and readers of records hold 64 bits."""


def well_typed(reply: Any, request: Request, provider: str) -> Reply:
    """``reply`` as the provider gave it, with each field of the type that `Reply` declares.

    Raises `ModelCallError`, fatal, when it is not a `Reply`.
    """
    if not isinstance(reply, Reply):
        raise ModelCallError(
            f"The provider {provider} gave {type(reply).__name__}; expected a Reply of harness.gateway.calls.",
            fatal=True,
        )
    return reply if _is_well_typed(reply) else _mended(reply, request)


def _is_well_typed(reply: Reply) -> bool:
    return (
        all(type(getattr(reply, name)) is str for name in _TEXTS)
        and all(_is_count(getattr(reply, name)) for name in _COUNTS)
        and isinstance(reply.fingerprint, str | None)
        and isinstance(reply.cost_reason, str | None)
        and (reply.cost is None or _is_money(reply.cost))
        and isinstance(reply.tool_calls, list | tuple)
        and all(isinstance(call, Mapping) for call in reply.tool_calls)
        and isinstance(reply.refusal, bool)
        and _is_data(reply.logprobs)
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def _is_data(logprobs: Any) -> bool:
    return logprobs is None or (isinstance(logprobs, dict) and not json_fault(logprobs, "logprobs"))


def _is_money(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= _MOST


def _mended(reply: Reply, request: Request) -> Reply:
    text = flattened(shallow(reply.text))
    calls = tool_calls(list(reply.tool_calls) if isinstance(reply.tool_calls, list | tuple) else None)
    fields: dict[str, Any] = {
        "text": text,
        "thoughts": flattened(shallow(reply.thoughts)),
        "model": label(reply.model),
        "finish_reason": label(reply.finish_reason) or "stop",
        "fingerprint": label(reply.fingerprint) or None,
        "form": label(reply.form),
        "refusal": bool(reply.refusal),
        "tool_calls": calls,
        "cost_reason": label(reply.cost_reason) or None,
        "usage": label(reply.usage),
        "usage_fault": label(reply.usage_fault),
    }
    if not _is_data(reply.logprobs):
        fields["logprobs"] = None
    if reply.cost is not None and not _is_money(reply.cost):
        fields |= {"cost": None, "cost_reason": "the provider states a cost that is not an amount of money"}
    if not all(_is_count(getattr(reply, name)) for name in _COUNTS):
        prompt, completion, cached, stored = (getattr(reply, name) for name in _COUNTS)
        stated = Stated(prompt, completion, cached=cached, stored=stored)
        usage = {name: getattr(reply, name) for name in _COUNTS}
        fields |= counted(usage, stated, request, says_something=bool(text or calls))
    return replace(reply, **fields)
