"""What makes two requests the same: one canonical JSON text per request, hashed once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from harness.llm.calls import Request


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spare spaces. Raises `ValueError` for NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(request: Request) -> str:
    """SHA-256, in hex, of everything that reaches the model; nothing of a prompt is left out."""
    if request.digest:
        return request.digest
    parts = [
        request.messages,
        request.model,
        request.response_format,
        request.temperature,
        request.max_tokens,
        request.extra,
    ]
    return hashlib.sha256(canonical(parts).encode()).hexdigest()


def identified(request: Request, *, model: str, temperature: float | None) -> Request:
    """``request`` with the model's name and the temperature where it has none, and its digest."""
    filled = replace(
        request,
        model=request.model or model,
        temperature=temperature if request.temperature is None else request.temperature,
        digest="",
    )
    return replace(filled, digest=digest(filled))
