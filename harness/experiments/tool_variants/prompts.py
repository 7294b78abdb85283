"""The one system prompt that every variant and scenario gets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

ZERO_PERSONA = (
    "You help one person to keep track of what there is to do. Use the tools that you have where they fit what is "
    "asked, and words where they do not. Every time of day is the person's local time."
)
"""Neutral: no character, no style, and no word about any tool."""


def system_prompt(settings: Mapping[str, Any]) -> str:
    """The zero persona, and the fixed moment with its weekday, which is computed."""
    now = datetime.fromisoformat(settings["fixed_timestamp"])
    return f"{settings['zero_persona']}\n\nIt is {now:%A}, {now:%Y-%m-%d}, {now:%H:%M}."
