"""OpenRouter: OpenAI's protocol, with the cost in every reply and the failures of others inside a 200."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.gateway.calls import Reply, Request
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.gateway.replies.json_reading import label, mapping

URL = "https://openrouter.ai/api/v1"

MOST_DOLLARS = 10_000.0
"""More than any call costs. What states more is not believed."""


class OpenRouter(OpenAICompatible):
    """Any model that OpenRouter sells, by OpenRouter's name (``openai/gpt-4o-mini``).

    ``Reply.cost`` is what OpenRouter charged, in credits, which are US dollars (openrouter.ai/docs, "Usage
    accounting"); with your own key at the vendor, the vendor's charge is added. ``Reply.fingerprint`` is the vendor's,
    else the name of the company that served the model.
    """

    name = "openrouter"
    variable = "OPENROUTER_API_KEY"

    def _reply(self, completion: Mapping[str, Any], request: Request) -> Reply:
        reply = super()._reply(completion, request)
        cost = stated_cost(mapping(completion.get("usage")))
        reason = None if cost is not None else "the reply of OpenRouter states no cost"
        served_by = reply.fingerprint or label(completion.get("provider")) or None
        return replace(reply, cost=cost, cost_reason=reason, fingerprint=served_by)


def stated_cost(usage: Mapping[str, Any]) -> float | None:
    """US dollars that a reply's ``usage`` states, ``None`` where it states none."""
    cost = _dollars(usage.get("cost"))
    if cost is None or not usage.get("is_byok"):
        return cost
    upstream = _dollars(mapping(usage.get("cost_details")).get("upstream_inference_cost"))
    return None if upstream is None else cost + upstream


def _dollars(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and 0 <= value <= MOST_DOLLARS else None
