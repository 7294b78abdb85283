"""Seeds by SHA-256: another for every purpose, always the same for the same one, on every machine."""

from __future__ import annotations

import hashlib


def derived(master: int, *place: str | int) -> int:
    """A seed of 63 bits from the master seed and a place: (iteration, agent), say. Zero is a seed like any other."""
    key = "\0".join(map(str, (master, *place)))
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) >> 1


def master_seed(session: int, market: str, rep: int) -> int:
    """Of one optimisation run. The arms share it, so that both meet the same days: they are compared in pairs."""
    return derived(session, "payments", market, rep)
