"""Which replies are acceptable: complete, not empty, and valid for the format that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.gateway.calls import Reply, Request, Unwrapped
from harness.gateway.replies.reply_json import UnreadableReplyError, Value, find
from harness.gateway.replies.reply_text import ReplyText, split
from harness.gateway.replies.tool_arguments import normalised
from harness.gateway.requests.logprobs import asks_for_logprobs
from harness.gateway.requests.response_formats import asks_for_json
from harness.gateway.requests.schemas import checker, wanted_schema

MAX_CHARACTERS = 1_000_000
"""The longest reply that is looked at; text from a model is bounded before it is parsed."""


class UnacceptableError(ValueError):
    """Why a reply is rejected; the text completes ``the reply is …``."""


def expectation(request: Request) -> str:
    """What the request asks a reply to be, in words."""
    form = request.response_format or {}
    if form.get("type") == "json_schema":
        return f"JSON valid for the schema {form.get('json_schema', {}).get('name', 'given')!r}"
    return "a JSON object" if form.get("type") == "json_object" else "text"


def accept(reply: Reply, request: Request) -> Reply:
    """Parse the provider's reply. Raises `UnacceptableError`.

    ``text`` is what was said, without ``thoughts`` and end tokens; ``data`` is the requested JSON, extracted from
    surrounding text; tool calls have parsed arguments. ``raw`` is the original text.
    """
    if len(reply.text) > MAX_CHARACTERS:
        raise UnacceptableError(f"longer than {MAX_CHARACTERS:,} characters")
    found = split(reply.text)
    thoughts = "\n\n".join(filter(None, (reply.thoughts[:MAX_CHARACTERS].strip(), found.thoughts)))
    calls = normalised(reply.tool_calls)
    text, parsed = found.said, {}
    if not reply.refusal:
        if reply.finish_reason == "length" and not _wants_one_token(request):
            raise UnacceptableError(_cut(reply, request, found))
        _check_complete(found, thoughts, has_calls=bool(calls))
        if asks_for_json(request) and not (calls and not text.strip()):
            value = _value(found, request)
            text, parsed = value.text, {"data": value.data, "unwrapped": _unwrapped(value, found, reply.text)}
    return replace(reply, text=text, raw=reply.text, thoughts=thoughts, tool_calls=calls, **parsed)


def _wants_one_token(request: Request) -> bool:
    """Whether only the probabilities of the first token are wanted, so that the reply ends there as asked."""
    return request.max_tokens == 1 and asks_for_logprobs(request)


def _cut(reply: Reply, request: Request, found: ReplyText) -> str:
    """How a reply was cut: at the limit that was sent, if one was, else at the end of the model's context."""
    limit = request.max_tokens or reply.limit
    return (
        "cut at the length limit"
        + (f" of {limit:,} tokens" if limit else "")
        + " (while thinking)" * found.is_cut
    )


def _check_complete(found: ReplyText, thoughts: str, *, has_calls: bool) -> None:
    if has_calls:
        return  # what it does is whole, whatever the template left open before it
    if found.is_cut:
        raise UnacceptableError("cut while thinking")
    if not found.said.strip():
        raise UnacceptableError("empty (thoughts alone)" if thoughts else "empty")


def _value(found: ReplyText, request: Request) -> Value:
    try:
        return find(found.said, _fault_of(request))
    except UnreadableReplyError as error:
        raise UnacceptableError(str(error)) from None


def _unwrapped(value: Value, found: ReplyText, raw: str) -> Unwrapped:
    if value.wrapping or found.said == raw:
        return value.wrapping
    return "end token" if found.ended_by_token and not found.thoughts else "thoughts"


def _fault_of(request: Request) -> Callable[[Any], str | None]:
    """What makes data useless for the format that was asked for."""
    schema = request.accepts or wanted_schema(request.response_format)

    def fault(data: Any) -> str | None:
        if schema is None:
            return None if isinstance(data, dict) else "JSON but not an object"
        try:
            found = checker(schema).fault(data)
        except RecursionError:
            return "nested too deeply for its schema"
        return None if found is None else f"against its schema: {found}"

    return fault
