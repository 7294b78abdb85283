"""The system prompt that all variants and scenarios share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

ZERO_PERSONA = (
    "You help one person keep track of things to do. Use your tools when they fit the request, and reply in words when "
    "they do not. All times are in the person's local time."
)
"""Neutral: no character, no style, and no mention of a specific tool."""


def system_prompt(settings: Mapping[str, Any]) -> str:
    """The zero persona and the fixed time, with its computed weekday."""
    now = datetime.fromisoformat(settings["fixed_timestamp"])
    return f"{settings['zero_persona']}\n\nIt is {now:%A}, {now:%Y-%m-%d}, {now:%H:%M}."
