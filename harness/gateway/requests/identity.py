"""What makes two requests the same: one canonical JSON text per request, hashed once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.gateway.calls import Request


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spare spaces. Raises `ValueError` for NaN and infinity."""
    return _ENCODER.encode(value)


def _plain(value: Any) -> Any:
    """A read-only mapping, which the frozen style leads to, is an object like any other."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)


def digest(request: Request) -> str:
    """SHA-256, in hex, of everything that reaches the model; nothing of a prompt is left out."""
    return request.digest or hashed(written(request))


def written(request: Request) -> str:
    """Everything that reaches the model, as canonical JSON."""
    parts = [
        request.messages,
        request.model,
        request.response_format,
        request.temperature,
        request.max_tokens,
        request.extra,
    ]
    return canonical(parts)


def hashed(text: str) -> str:
    """SHA-256, in hex, of canonical JSON."""
    return hashlib.sha256(text.encode()).hexdigest()


def identified(request: Request, *, model: str) -> tuple[Request, str]:
    """``request`` to the session's model, with its digest, and its canonical JSON.

    The requested model is always the run's, even if foreign code names another; otherwise the record would name a model
    that did not answer.
    """
    filled = replace(request, model=model or request.model, digest="")
    body = written(filled)
    return replace(filled, digest=hashed(body)), body
