"""OpenRouter: OpenAI's protocol, with the cost in every reply and the failures of others inside a 200."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.llm.calls import Reply
from harness.llm.providers.openai_compatible import OpenAICompatible

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

URL = "https://openrouter.ai/api/v1"


class OpenRouter(OpenAICompatible):
    """Any model that OpenRouter sells, by OpenRouter's name (``openai/gpt-4o-mini``).

    ``Reply.cost`` is what OpenRouter charged, in credits, which are US dollars (openrouter.ai/docs, "Usage
    accounting"); with a key of one's own at the model's maker, what the maker charged is added.
    ``Reply.fingerprint`` is the maker's, else the name of the company that served the model.
    """

    name = "openrouter"
    variable = "OPENROUTER_API_KEY"

    def _reply(self, completion: ChatCompletion) -> Reply:
        more: Mapping[str, Any] = completion.model_extra or {}
        for part in (completion, *(completion.choices or ())):
            fault = (part.model_extra or {}).get("error")
            if isinstance(fault, Mapping):
                raise UpstreamError(fault)
        reply = super()._reply(completion)
        cost = stated_cost(completion.usage.model_extra or {}) if completion.usage else None
        reason = None if cost is not None else "the reply of OpenRouter states no cost"
        served_by = reply.fingerprint or more.get("provider")
        return replace(reply, cost=cost, cost_reason=reason, fingerprint=served_by)


class UpstreamError(ValueError):
    """The model's maker failed after OpenRouter had begun to answer. Shaped as the SDK's own errors of a status."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        code = body.get("code")
        self.body = body
        self.status_code = code if isinstance(code, int) and 400 <= code < 600 else 502
        super().__init__(str(body.get("message", "")))


def stated_cost(usage: Mapping[str, Any]) -> float | None:
    """US dollars that a reply's ``usage`` states, ``None`` where it states none."""
    cost = _dollars(usage.get("cost"))
    if cost is None or not usage.get("is_byok"):
        return cost
    details = usage.get("cost_details")
    upstream = _dollars(details.get("upstream_inference_cost")) if isinstance(details, Mapping) else None
    return None if upstream is None else cost + upstream


def _dollars(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and value >= 0 else None
