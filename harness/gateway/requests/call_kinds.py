"""Which kind of call a request is, and whose role it is to answer it.

Calls in this process name both. A foreign request is recognised by short structural marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.gateway.calls import CallSite, Message, Request
from harness.model.roles import CORRECTOR, EMBEDDING, EXTRACTOR, JUDGE, PLAYER, USER

_BY_KIND: Mapping[str, str] = {
    "classify": JUDGE,
    "code_answer": JUDGE,
    "compare": JUDGE,
    "score": JUDGE,
    "score_panel": JUDGE,
    "score_person": JUDGE,
    "extract": EXTRACTOR,
    "quality_check": CORRECTOR,
    "user": USER,
    "embedding": EMBEDDING,
    "goal_check": JUDGE,
}
"""The role of calls that name none, such as those of records and of foreign code."""

_ANSWER_IS_BOOLEAN = "'True' or 'False'"
_FREE_TEXT = (
    ("extract", "Extraction objective"),
    ("combine", "combines them into"),
    ("minibio", "Short biography"),
)
_BY_SCHEMA = {"agent_reasoning": "reason", "classification": "classify"}
"""What extropy-run calls the schemas of its two calls per agent."""


def role_of(site: CallSite) -> str:
    """The role that the call names, else that of its kind."""
    return site.role or role_of_kind(site.kind)


def role_of_kind(kind: str) -> str:
    """
    >>> role_of_kind("score_person"), role_of_kind("act")
    ('judge', 'player')
    """
    return _BY_KIND.get(kind, PLAYER)


CAN_WAIT = frozenset({"classify", "compare", "extract", "reason", "score", "score_panel", "score_person"})
"""Kinds of calls that nothing but the end of their trial, or of a step of a simulation, waits for."""


def can_wait(site: CallSite) -> bool:
    """Whether a batch may answer the call, hours later: as the call says, else as its kind does.

    >>> can_wait(CallSite("score_person")), can_wait(CallSite("act")), can_wait(CallSite("answer", can_wait=True))
    (True, False, True)
    """
    return site.kind in CAN_WAIT if site.can_wait is None else site.can_wait


def classify(request: Request) -> str:
    """The kind of a chat request.

    One of ``act``, ``regenerate``, ``quality_check``, ``combine``, ``intervention_check``, ``extract``,
    ``score_person``, ``score_panel``, ``consolidate``, ``minibio``, ``reason``, ``classify`` and ``other``.
    """
    form = request.response_format or {}
    if form.get("type") == "json_schema":
        return _structured(str(form.get("json_schema", {}).get("name", "")), request)
    texts = list(texts_of(request.messages))
    if form.get("type") == "json_object":
        return "consolidate" if any('"consolidation"' in text for text in texts) else "other"
    for kind, mark in _FREE_TEXT:
        if any(mark in text for text in texts[:2]):
            return kind
    return "other"


def _structured(name: str, request: Request) -> str:
    if name.startswith("CognitiveAction"):
        late = texts_of(request.messages[-4:])
        return "regenerate" if any("TENTATIVE ACTION" in text for text in late) else "act"
    if name.startswith("LLMScalarWithJustification"):
        return _judgement(request)
    return _BY_SCHEMA.get(name, "other")


def _judgement(request: Request) -> str:
    texts = list(texts_of(request.messages))
    if wants_boolean(request):
        return "intervention_check"
    claim, _, context = "\n".join(texts[1:]).partition("# Context")
    if "THE NEXT A" in claim:
        return "quality_check"
    return "score_panel" if "## Environment '" in context else "score_person"


def wants_boolean(request: Request) -> bool:
    """Whether the last message asks for true or false in a field that may hold anything, as TinyTroupe does."""
    return any(_ANSWER_IS_BOOLEAN in text for text in texts_of(request.messages[-1:]))


def texts_of(messages: Sequence[Message]) -> Iterator[str]:
    """The text of each message; for content in parts, its text parts."""
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
