"""Request a reply in JSON: by its schema, as any JSON object, or in the prompt only. Validation is the same."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.gateway.calls import Message, Request
from harness.gateway.requests.schemas import Schema, wanted_schema

SCHEMA, LOOSE, OBJECT, PROMPT = "json_schema", "json_schema, not strict", "json_object", "prompt"
FORMS = (SCHEMA, LOOSE, OBJECT, PROMPT)
"""The forms, strongest first: what a server that refuses one is asked next."""

AS_DECLARED = "as declared"
"""The name in records for the form of a request that was sent as declared."""

CHOICES: Mapping[str, str | None] = {"auto": None, "schema": SCHEMA, "object": OBJECT, "prompt": PROMPT}
"""Names for a form that a user chooses; ``auto`` begins with the strongest and learns from refusals."""

_RULE = "Answer with one JSON {kind} and nothing else."
_SCHEMA_RULE = "Answer with one JSON {kind} that matches this JSON schema, and nothing else:\n{schema}"


def asks_for_json(request: Request) -> bool:
    """Whether ``request`` wants its reply in JSON."""
    return (request.response_format or {}).get("type") in ("json_schema", "json_object")


def form_of(request: Request, least: str) -> str:
    """The form of ``request`` if forms stronger than ``least`` are not accepted; empty: unchanged."""
    form = request.response_format or {}
    step = FORMS.index(least)
    if form.get("type") == "json_object":
        return PROMPT if least == PROMPT else ""
    if form.get("type") != "json_schema" or step == 0:
        return ""
    if least == LOOSE:
        return LOOSE if form.get("json_schema", {}).get("strict") else ""
    return OBJECT if least == OBJECT and _is_object(wanted_schema(form)) else PROMPT


AS_USER = "system as user"
"""Ends the name of a form in which the system message goes as part of a user's."""


def with_system_as_user(form: str) -> str:
    """
    >>> with_system_as_user("json_object"), with_system_as_user("")
    ('json_object, system as user', 'system as user')
    """
    return f"{form}, {AS_USER}" if form else AS_USER


def in_form(request: Request, form: str) -> Request:
    """``request`` in ``form``; an empty one leaves it unchanged."""
    if form.endswith(AS_USER):
        plain = in_form(request, form.removesuffix(AS_USER).removesuffix(", "))
        return replace(plain, messages=without_system(plain.messages))
    asked = request.response_format or {}
    if not form:
        return request
    if form == LOOSE:
        described = {name: value for name, value in asked["json_schema"].items() if name != "strict"}
        return replace(request, response_format={**asked, "json_schema": described})
    return replace(
        request,
        messages=with_rule(request.messages, rule(wanted_schema(asked))),
        response_format={"type": "json_object"} if form == OBJECT else None,
    )


def rule(schema: Schema | None) -> str:
    """The words that ask for JSON, with the ``schema`` in them where there is one. Properties keep their order."""
    if schema is None:
        return _RULE.format(kind="object")
    kind = "object" if _is_object(schema) else "value"
    return _SCHEMA_RULE.format(kind=kind, schema=json.dumps(schema, ensure_ascii=False, default=dict))


def with_rule(messages: Sequence[Message], words: str) -> list[Message]:
    """``messages`` with ``words`` at the end of the instructions: the system message, else the last of the user.

    Requests to personas in the conversation then stay the same in every arm.
    """
    changed = list(messages)
    roles = [str(message.get("role")) for message in changed]
    place = next((at for at, role in enumerate(roles) if role in ("system", "developer")), None)
    if place is None:
        place = next((at for at in reversed(range(len(roles))) if roles[at] == "user"), None)
    if place is None:
        return [*changed, {"role": "user", "content": words}]
    changed[place] = {**changed[place], "content": _extended(changed[place].get("content"), words)}
    return changed


def without_system(messages: Sequence[Message]) -> list[Message]:
    """``messages`` with those of the system as a user's; the ones in front begin the message that follows them."""
    as_users = [
        {**message, "role": "user"} if message.get("role") in ("system", "developer") else message
        for message in messages
    ]
    leading = next(
        (at for at, message in enumerate(messages) if message.get("role") not in ("system", "developer")),
        len(messages),
    )
    front, rest = as_users[:leading], as_users[leading:]
    if rest and rest[0].get("role") == "user":
        front, rest = [*front, rest[0]], rest[1:]
    if len(front) < 2:
        return [*front, *rest]
    content = functools.reduce(_joined, (message.get("content") for message in front))
    return [{**front[-1], "content": content}, *rest]


def _joined(first: Any, second: Any) -> Any:
    """Two contents as one: texts with an empty line between them, parts in a row."""
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    parts = [
        [{"type": "text", "text": one}] if isinstance(one, str) else list(one or ())
        for one in (first, second)
    ]
    return [*parts[0], *parts[1]]


def _extended(content: Any, words: str) -> Any:
    if isinstance(content, list):
        return [*content, {"type": "text", "text": words}]
    return f"{content}\n\n{words}" if content else words


def _is_object(schema: Schema | None) -> bool:
    return isinstance(schema, Mapping) and (schema.get("type") == "object" or "properties" in schema)
