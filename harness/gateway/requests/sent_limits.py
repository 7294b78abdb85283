"""The output limit that a request without one is sent with: the default of its kind, as far as the model takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from harness.errors import ContextOverflowError, ModelCallError, UnsupportedParameterError
from harness.gateway.calls import Reply, Request
from harness.gateway.model_snapshots import bare
from harness.gateway.providers.dialect import LIMITS
from harness.model.output_limits import default_limit

THINKING = 8_192
"""Tokens that a default limit leaves for thoughts, where the model thinks before it answers."""

_THINKERS = re.compile(
    r"(?:^|[-/_])(?:o[134](?:-|$)|gpt-5|gpt-oss|r1\b|reasoner|qwq|qwen-?3|magistral|gemini-(?:2\.5|[3-9])|grok-[4-9]|"
    r"kimi-k2-thinking|glm-4\.[5-9]|minimax-m|.*(?:thinking|reasoning))",
    re.IGNORECASE,
)
"""Names of models that think without being asked to. Any other model is recognised by its first truncated thought."""

_MOST = re.compile(
    r"(?:at most|maximum(?: value)?(?: of| is|:)?|<=|up to|less than or equal to|\d >)\s{0,3}(\d{2,7})\b"
)
"""The largest limit, in a server's refusal of another."""


class SentLimits:
    """What is known of one model's limits; one object for each provider.

    Declared limits never pass here: they are sent as they are.
    """

    def __init__(self, model: str) -> None:
        self.thinks = bool(_THINKERS.search(bare(model)))
        self.most: int | None = None  # the model refused a larger one
        self.refused = False  # it refuses every limit

    def of(self, kind: str, request: Request) -> int | None:
        """Tokens for the reply to ``request``, thoughts included; ``None``: send no limit."""
        if self.refused:
            return None
        thinking = request.extra.get("thinking")
        budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
        room = budget if isinstance(budget, int) else THINKING if self.thinks else 0
        limit = default_limit(kind) + room
        return limit if self.most is None else min(limit, self.most)

    def learn_cut(self, reply: Reply, fault: str) -> str:
        """Learn from a reply that a default limit cut; returns a sentence where something is new, else nothing."""
        is_cut = reply.finish_reason == "length" and reply.limit is not None
        is_thought = bool(reply.thoughts) or "thinking" in fault or not reply.text.strip()
        if self.thinks or not (is_cut and is_thought):
            return ""
        self.thinks = True
        return (
            f"it thinks before it answers; default output limits now leave {THINKING:,} tokens more for that."
        )

    def learn_refusal(self, error: ModelCallError, limit: int) -> str:
        """Learn from the refusal of a default ``limit``; returns a sentence, or nothing if there is nothing new.

        A prompt that does not fit the context with its limit says nothing of other calls.
        """
        if isinstance(error, ContextOverflowError) or self.refused:
            return ""
        if self.most is not None and self.most < limit:
            return ""
        found = _MOST.search(error.brief.replace(",", ""))
        most = int(found[1]) if found else 0
        if 16 <= most < limit:
            self.most = most
            return f"it allows {most:,} tokens of output at most; default output limits now end there."
        self.refused = True
        return f"it refuses the default output limit; its replies now have none. It said: {error.brief[:200]}"


def is_about_limit(error: ModelCallError) -> bool:
    """Whether a server refused a request for its output limit, alone or together with its prompt."""
    is_refused = isinstance(error, UnsupportedParameterError) and error.parameter in LIMITS
    return is_refused or isinstance(error, ContextOverflowError)


def limited(request: Request, limit: int | None) -> Request:
    """``request`` as it is sent with a default ``limit``; its digest stays the same, so that journals match."""
    return request if limit is None else replace(request, max_tokens=limit)
