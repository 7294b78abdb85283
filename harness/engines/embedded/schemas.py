"""The JSON that models are asked for, as OpenAI's ``response_format`` objects (strict)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.engines.embedded.turn import ASKED, KINDS, MAX_ACTIONS
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


def turn(others: Sequence[str]) -> Mapping[str, Any]:
    """What is asked for: a turn among ``others``: one action at least, each to everyone or to one of them.

    It ends with its last action. A small model that may say that it is done says so at once and does nothing else,
    and one that may write anything as the hearer tells a story there.
    """
    return _format("turn", {"actions": _actions(ASKED, others, MAX_ACTIONS - 1)})


def any_turn(others: Sequence[str]) -> Mapping[str, Any]:
    """The schema of what can be read as a turn: also one that says that it is done, as models do without a grammar."""
    return _object({"actions": _actions(KINDS, others, MAX_ACTIONS)})


def _actions(kinds: Sequence[str], others: Sequence[str], most: int) -> dict[str, Any]:
    kind, hearer = ({"type": "string", "enum": list(words)} for words in (kinds, ("", *others)))
    action = _object({"type": kind, "content": _TEXT, "target": hearer})
    return {"type": "array", "items": action, "minItems": 1, "maxItems": most}


SCORE = _format(
    "score",
    {
        "justification": _TEXT,
        "value": {"type": "integer", "minimum": MIN_SCORE, "maximum": MAX_SCORE},
    },
)
"""The reasons come before the number, so that the number can follow from them."""

CHECK = _format("check", {"justification": _TEXT, "value": {"type": "boolean"}})

MESSAGE = _format("message", {"message": _TEXT, "done": {"type": "boolean"}})
FIRST_MESSAGE = _format("message", {"message": _TEXT, "done": {"type": "boolean", "enum": [False]}})

PREFERENCE = _format(
    "preference", {"reason": _TEXT, "preferred": {"type": "string", "enum": ["A", "B", "tie"]}}
)


def extraction(root: str, fields: Sequence[str]) -> Mapping[str, Any]:
    """A list under ``root`` of objects with the text ``fields``."""
    return _format("extraction", {root: {"type": "array", "items": _object(dict.fromkeys(fields, _TEXT))}})
