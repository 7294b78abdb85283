"""Addresses as they may be shown and kept."""

from __future__ import annotations

import re


def without_password(url: str) -> str:
    """``url`` without user, password and query, any of which may be a key."""
    return re.sub(r"^(\w+://)?[^/]*@", r"\1", url.partition("?")[0])
