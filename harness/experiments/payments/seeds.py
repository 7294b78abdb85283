"""Seeds by SHA-256: one per purpose, the same on every machine."""

from __future__ import annotations

import hashlib


def derived(master: int, *place: str | int) -> int:
    """A 63-bit seed from the master seed and a place such as (iteration, agent). Zero is a valid seed."""
    key = "\0".join(map(str, (master, *place)))
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) >> 1


def master_seed(session: int, market: str, rep: int) -> int:
    """The seed of one optimisation run. Arms share it, so that they get the same days and are compared in pairs."""
    return derived(session, "payments", market, rep)
