"""The JSON that models are asked for, as OpenAI's ``response_format`` objects (strict)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.engines.embedded.turn import KINDS
from harness.model import MAX_SCORE, MIN_SCORE

_TEXT = {"type": "string"}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _format(name: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = {"name": name, "strict": True, "schema": _object(properties)}
    return {"type": "json_schema", "json_schema": schema}


_ACTION = _object({"type": {"type": "string", "enum": list(KINDS)}, "content": _TEXT, "target": _TEXT})

TURN = _format("turn", {"actions": {"type": "array", "items": _ACTION}})
SCORE = _format(
    "score",
    {
        "reasoning": _TEXT,
        "justification": _TEXT,
        "value": {"type": "integer", "minimum": MIN_SCORE, "maximum": MAX_SCORE},
    },
)
CHECK = _format("check", {"reasoning": _TEXT, "justification": _TEXT, "value": {"type": "boolean"}})

MESSAGE = _format("message", {"message": _TEXT, "done": {"type": "boolean"}})
FIRST_MESSAGE = _format("message", {"message": _TEXT, "done": {"type": "boolean", "enum": [False]}})

PREFERENCE = _format(
    "preference", {"reason": _TEXT, "preferred": {"type": "string", "enum": ["A", "B", "tie"]}}
)


def extraction(root: str, fields: Sequence[str]) -> Mapping[str, Any]:
    """A list under ``root`` of objects with the text ``fields``."""
    return _format("extraction", {root: {"type": "array", "items": _object(dict.fromkeys(fields, _TEXT))}})
