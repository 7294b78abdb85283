"""Requests as our engine and as TinyTroupe make them, in words of our own around the marks that matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.gateway.calls import Request

TEXT = {"type": "string"}


def closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A strict object schema."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def form(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A ``response_format`` that asks for ``schema``."""
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": dict(schema)}}


def ask(*texts: str, response_format: Mapping[str, Any] | None = None, **more: Any) -> Request:
    """A request: the first text is the system's, the others the user's."""
    roles = ["system", *["user"] * len(texts)]
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    return Request(messages, response_format=response_format, **more)


_ACTION = closed({"type": {"type": "string", "enum": ["THINK", "TALK"]}, "content": TEXT, "target": TEXT})
TURN = form("turn", closed({"actions": {"type": "array", "items": _ACTION, "minItems": 1, "maxItems": 7}}))
SCORE = form(
    "score",
    closed(
        {"reasoning": TEXT, "justification": TEXT, "value": {"type": "integer", "minimum": 0, "maximum": 9}}
    ),
)
CHECK = form("check", closed({"reasoning": TEXT, "justification": TEXT, "value": {"type": "boolean"}}))


def extraction(root: str, *fields: str) -> dict[str, Any]:
    return form("extraction", closed({root: {"type": "array", "items": closed(dict.fromkeys(fields, TEXT))}}))


_STATE = closed(
    {"goals": TEXT, "context": {"type": "array", "items": TEXT}, "attention": TEXT, "emotions": TEXT}
)
_FOREIGN_ACTION = closed({"type": TEXT, "content": TEXT, "target": TEXT})
COGNITIVE = form(
    "CognitiveActionsModel",
    {
        **closed(
            {
                "actions": {"type": "array", "items": {"$ref": "#/$defs/Action"}, "title": "Actions"},
                "cognitive_state": {"$ref": "#/$defs/CognitiveState"},
            }
        ),
        "$defs": {"Action": _FOREIGN_ACTION, "CognitiveState": _STATE},
    },
)
SCALAR = form(
    "LLMScalarWithJustificationAndReasoningResponse",
    closed(
        {
            "reasoning": TEXT,
            "justification": TEXT,
            "value": {"anyOf": [TEXT, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}]},
            "confidence": {"type": "number"},
        }
    ),
)
AS_INTEGER = "`value` must be an integer number"
AS_BOOLEAN = "`value` must be either 'True' or 'False'"
PERSON = "## Agent 'Ann' Simulation Trajectory"
PANEL = "## Environment 'Room' Simulation Trajectory"

FOREIGN: Mapping[str, Request] = {
    "act": ask('{\\"name\\": \\"Ann Lee\\"}', "Please brainstorm.", response_format=COGNITIVE),
    "regenerate": ask("persona", "hello", "TENTATIVE ACTION failed", "again", response_format=COGNITIVE),
    "quality_check": ask(
        "score it",
        f"# Proposition\nTHE NEXT AGENT ACTION is fine\n# Context\n{PERSON}",
        AS_INTEGER,
        response_format=SCALAR,
    ),
    "intervention_check": ask(
        "true or false?", f"# Proposition\nit drags\n# Context\n{PERSON}", AS_BOOLEAN, response_format=SCALAR
    ),
    "score_person": ask(
        "score it", f"# Proposition\nin character\n# Context\n{PERSON}", AS_INTEGER, response_format=SCALAR
    ),
    "score_panel": ask(
        "score it", f"# Proposition\ntask done\n# Context\n{PANEL}", AS_INTEGER, response_format=SCALAR
    ),
    "combine": ask("Takes texts and combines them into one.", "texts: a, b"),
    "extract": ask(
        "Keys must be the following: opinion, pros, cons  \nHint for field `opinions`: it is the root.",
        "## Extraction objective\nopinions",
    ),
    "consolidate": ask(
        'Answer {"consolidation": [...]}', "at 2025-06-02T10:00:00", response_format={"type": "json_object"}
    ),
    "minibio": ask("Write a little.", "**Short biography:** Ann is 40."),
    "other": ask("anything"),
}
"""One request of each kind that TinyTroupe makes."""
