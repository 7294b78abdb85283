"""What tells arms apart, in a few words, from the first line of one of their files."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from harness.model import options_in_words

OWN_ENGINE = "own"
"""The engine that first lines name where there is none of personas, so no correction and no intervention either."""
SHORT = 40
"""Characters of a setting that is shown."""


def arm(line: Mapping[str, Any]) -> str:
    """What an arm has, from the first line of one of its files.

    >>> arm({"correction": {"enabled": True, "quality_threshold": 5, "max_attempts": 2}, "interventions": []})
    'correction below 5, up to 2 times; no intervention'
    """
    own = own_settings(line)
    if own is not None:
        return "; ".join(filter(None, (*arm_declarations(line), own)))
    correction, interventions = line.get("correction"), line.get("interventions") or ()
    quality = "correction off"
    if isinstance(correction, Mapping) and correction.get("enabled"):
        threshold, attempts = correction.get("quality_threshold"), correction.get("max_attempts")
        quality = f"correction below {threshold}, up to {attempts} times"
    names = ", ".join(str(one.get("name")) for one in interventions if isinstance(one, Mapping))
    nudges = f"intervention {names}" if names else "no intervention"
    parts = [*arm_declarations(line), quality, nudges, arm_options(line)]
    return "; ".join(filter(None, parts))


def arm_options(line: Mapping[str, Any]) -> str:
    """The model options of one arm alone, in words; empty for none.

    >>> arm_options({"group_settings": {"model_options": {"top_p": 0.5, "stop": None}}})
    'top_p 0.5, no stop'
    """
    return options_in_words((line.get("group_settings") or {}).get("model_options") or {})


def arm_declarations(line: Mapping[str, Any]) -> Iterator[str]:
    """What an arm adds to prompts or changes in them, in words.

    >>> list(arm_declarations({"group_settings": {"instructions": "Be concise.", "memory_limit": 9000}}))
    ["instructions 'Be concise.'", 'memory of 9,000 characters']
    """
    own = line.get("group_settings") or {}
    if own.get("model"):
        yield f"model {own['model']}"
    if own.get("instructions"):
        yield f"instructions {_quoted(own['instructions'])}"
    for part, text in (own.get("script") or {}).items():
        yield f"{part} {_quoted(text)}"
    for part, text in (own.get("survey") or {}).items():
        yield f"{part} {_quoted(text)}"
    if own.get("memory_limit"):
        yield f"memory of {own['memory_limit']:,} characters"
    if own.get("population"):
        yield f"its own population, {(line.get('population') or {}).get('source')}"


def _quoted(text: Any) -> str:
    return repr(textwrap.shorten(str(text), SHORT, placeholder=" …"))


def own_settings(line: Mapping[str, Any]) -> str | None:
    """An arm's own settings from the first line of one of its files; ``None`` for an arm of personas.

    Short values as they are, sentences by their beginning, lists by their length; what repeats the arm's name, and
    codes, are left out.

    >>> own_settings({"engine": "own", "group": "a", "group_settings": {"own": {"tone": "dry", "tools": [1, 2]}}})
    'tone dry, 2 tools'
    >>> own_settings({"engine": "own", "group": "a", "group_settings": {"own": {"told": ""}}})
    'told nothing'
    """
    if line.get("engine") != OWN_ENGINE:
        return None
    own = (line.get("group_settings") or {}).get("own") or {}
    return ", ".join(filter(None, (*_named(own, str(line.get("group"))), arm_options(line))))


def _named(own: Mapping[str, Any], group: str) -> Iterator[str]:
    for name, value in own.items():
        if isinstance(value, list | tuple):
            yield f"{len(value)} {name}"
        elif isinstance(value, str) and " " in value:
            yield f"{name} {textwrap.shorten(value, SHORT + len(name), placeholder=' …')!r}"
        elif isinstance(value, str | int | float) and len(str(value)) <= SHORT and str(value) != group:
            yield f"{name} {'nothing' if value == '' else value}"
