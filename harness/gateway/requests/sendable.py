"""Text that can travel: requests are checked before they cost anything, replies are mended where they enter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.errors import UnsendableRequestError
from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.requests.identity import identified
from harness.model.text import json_fault, whole, whole_data, whole_json

MAX_REQUEST = 32 * 1024 * 1024
"""Bytes of a request. No provider takes more; what is larger is a mistake, such as a transcript that repeats itself."""


def checked(request: Request, model: str, *, site: CallSite, trial: str) -> tuple[Request, str]:
    """What `identified` gives. Raises `UnsendableRequestError` that names the call and the place of the fault."""
    what = f"Call {site.kind!r} of {trial}" + (f" ({site.person})" if site.person else "")
    body = ""
    try:
        found, body = identified(request, model=model)
        # Such escapes encode halves of surrogate pairs, and whole ones.
        fault = _fault(request) if "\\ud" in body else None
    except (TypeError, ValueError, RecursionError) as error:
        fault = _fault(request) or f"the request is not JSON data ({type(error).__name__})"
    if len(body) > MAX_REQUEST:
        fault = f"the request has {len(body):,} bytes; {_largest(request)}; expected {MAX_REQUEST:,} at most"
    if fault:
        raise UnsendableRequestError(f"{what} cannot be sent: {fault}. Nothing was sent.")
    return found, body


def _fault(request: Request) -> str | None:
    for number, message in enumerate(request.messages, 1):
        role = message.get("role", "no role") if hasattr(message, "get") else type(message).__name__
        if fault := json_fault(message, f"message {number} ({role!s:.40})"):
            return fault
    rest: dict[str, Any] = {"model": request.model, "response_format": request.response_format}
    rest |= {"temperature": request.temperature, "max_tokens": request.max_tokens, **request.extra}
    faults = (json_fault(value, str(name)) for name, value in rest.items())
    return next((fault for fault in faults if fault), None)


def size_in_words(request: Request) -> str:
    """How long the prompt of ``request`` is, for a model's context that cannot hold it."""
    characters = sum(len(str(message.get("content"))) for message in request.messages)
    limit = f", and its reply may have {request.max_tokens:,}" if request.max_tokens else ""
    return (
        f"The prompt has {len(request.messages)} messages with {characters:,} characters, some {characters // 4:,} "
        f"tokens{limit}; {_largest(request)}."
    )


def _largest(request: Request) -> str:
    sizes = [len(str(message)) for message in request.messages]
    if not sizes:
        return "most of it in the texts to embed"
    number = sizes.index(max(sizes))
    return f"message {number + 1} of {len(sizes)} has {sizes[number]:,} characters"


def mended(reply: Reply) -> Reply:
    """An accepted reply without halves of surrogate pairs, so that it can be written down and sent on.

    ``mended`` says whether any were replaced; the journal has the reply as it came.
    """
    texts = (reply.text, reply.thoughts, reply.model, reply.finish_reason, reply.fingerprint or "")
    if (
        all(map(str.isascii, texts))
        and "\\u" not in reply.text
        and not reply.tool_calls
        and whole_data(reply.data) == reply.data
    ):
        return reply  # the ordinary reply: a copy to compare with costs more than the look
    ours = replace(
        reply,
        text=whole(reply.text) if reply.data is None else whole_json(reply.text),
        thoughts=whole(reply.thoughts),
        model=whole(reply.model),
        finish_reason=whole(reply.finish_reason),
        fingerprint=reply.fingerprint and whole(reply.fingerprint),
    )
    data, calls = whole_data(reply.data), [_whole_call(call) for call in reply.tool_calls]
    if data != reply.data:
        ours = replace(ours, data=data)
    if calls != list(reply.tool_calls):
        ours = replace(ours, tool_calls=calls)
    return reply if ours == reply else replace(ours, mended=True)


def _whole_call(call: Any) -> Any:
    made = whole_data(call)
    if isinstance(made, dict) and isinstance(function := made.get("function"), dict):
        written = function.get("arguments")
        if isinstance(written, str):
            made["function"] = {**function, "arguments": whole_json(written)}
    return made
