"""Addresses as they may be shown and kept."""

from __future__ import annotations

import re


def without_password(url: str) -> str:
    """``url`` without user, password, query and fragment, any of which may be a key."""
    return re.sub(r"^(\w+://)?[^/]*@", r"\1", re.split("[?#]", url, maxsplit=1)[0])
