"""Which replies are acceptable: complete, not empty, and valid for the format that was asked for."""

from __future__ import annotations

import json
from typing import Any

from harness.llm.calls import Reply, Request
from harness.llm.schemas import Schema, checker, wanted_schema

MAX_CHARACTERS = 1_000_000
"""The longest reply that is looked at; text from a model is bounded before it is parsed."""


class UnacceptableError(ValueError):
    """Why a reply is of no use; the text completes ``the reply is …``."""


def expectation(request: Request) -> str:
    """What the request asks a reply to be, in words."""
    form = request.response_format or {}
    if form.get("type") == "json_schema":
        return f"JSON valid for the schema {form.get('json_schema', {}).get('name', 'given')!r}"
    return "a JSON object" if form.get("type") == "json_object" else "text"


def accept(reply: Reply, request: Request) -> Any:
    """The reply's data: parsed JSON where JSON was asked, else ``None``. Raises `UnacceptableError`."""
    _check_complete(reply)
    form = request.response_format or {}
    if form.get("type") not in ("json_object", "json_schema") or (
        reply.tool_calls and not reply.text.strip()
    ):
        return None
    data = _parse(reply.text)
    if form["type"] == "json_object" and not isinstance(data, dict):
        raise UnacceptableError("JSON but not an object")
    _check_schema(data, wanted_schema(form))
    return data


def _check_complete(reply: Reply) -> None:
    if reply.finish_reason == "length":
        raise UnacceptableError("cut at the length limit")
    if not reply.text.strip() and not reply.tool_calls:
        raise UnacceptableError("empty")
    if len(reply.text) > MAX_CHARACTERS:
        raise UnacceptableError(f"longer than {MAX_CHARACTERS:,} characters")


def _parse(text: str) -> Any:
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
        if "\\ud" in text.lower():
            json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair cannot be written to a file
    except (ValueError, RecursionError) as error:
        raise UnacceptableError(f"not JSON ({error})") from None
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_schema(data: Any, schema: Schema | None) -> None:
    if schema is None:
        return
    try:
        fault = checker(schema).fault(data)
    except RecursionError:
        raise UnacceptableError("nested too deeply for its schema") from None
    if fault is not None:
        raise UnacceptableError(f"against its schema: {fault}")
