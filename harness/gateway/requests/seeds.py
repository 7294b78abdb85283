"""Seeds for providers that take one: another for every trial and sample, always the same for the same sample."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from harness.gateway.calls import Request

BITS = 31
"""All providers take a seed of this many bits."""


def derived_seed(base: int, trial_id: str, occurrence: int = 0) -> int:
    """0 to 2³¹-1, from SHA-256 of all three.

    ``trial_id`` has experiment, arm and rep in it, so that no two trials get near-copies of one reply; ``occurrence``
    counts the equal requests of a trial, so that asking again after a useless reply is not asking for that reply.
    """
    key = f"{base}\0{trial_id}\0{occurrence}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()) >> (256 - BITS)


def seeded(request: Request, base: int | None, trial_id: str, occurrence: int) -> Request:
    """``request`` with its derived seed, ready for the provider; its digest stays the same.

    A seed in a request of foreign code replaces a missing ``base``: unchanged, it would be the same for all reps.
    Without either, the request is returned unchanged.
    """
    own = request.extra.get("seed")
    start = own if base is None else base
    if start is None:
        return request
    return replace(request, extra={**request.extra, "seed": derived_seed(start, trial_id, occurrence)})
