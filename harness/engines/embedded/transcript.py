"""Formats events as lines of text, and bounds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.model import Event

# Control characters but tab and newline, lone surrogates (not encodable), and the marks that reorder text.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CUT = " … (cut)"


def clean(text: object, limit: int) -> str:
    """``text`` from a model as an encodable string of at most ``limit`` characters, and a mark if cut."""
    raw = text if isinstance(text, str) else ""
    kept = _UNWANTED.sub("", raw[:limit]).strip()
    return kept + _CUT if len(raw) > limit else kept


def inside(text: str) -> str:
    """Indent all lines but the first, so that no speech can imitate a line of the transcript."""
    return text.strip().replace("\n", "\n    ")


def line(event: Event) -> str:
    """One event as an omniscient observer would note it; empty for events without content."""
    if not event.content:
        return ""
    return f"{_speaker(event)}: {inside(event.content)}"


def _speaker(event: Event) -> str:
    if event.type == "THINK":
        return f"{event.person} (thinking)"
    if event.type == "THOUGHT":
        return f"{event.person} (a thought occurs)"
    if event.kind == "action":
        return f"{event.person} to {event.target or 'everyone'}"
    return f"Request to {event.person or 'everyone'}"


def perceived(event: Event, listener: str) -> str:
    """One event as ``listener`` perceives it."""
    content = inside(event.content)
    if event.type == "THOUGHT":
        return f"A thought occurs to you: {content}"
    if event.kind == "action":
        return f"{event.person}, to {'you' if event.target == listener else 'everyone'}: {content}"
    return f"{'You are asked' if event.person else 'Everyone hears'}: {content}"


def joined(lines: Iterable[str]) -> str:
    """The non-empty lines."""
    return "\n".join(filter(None, lines))


def newest(lines: Sequence[str], limit: int, *, forgotten: int = 0) -> str:
    """The newest of ``lines`` that fit into ``limit`` characters, with a note on how many came before them.

    ``forgotten`` earlier ones count as left out. A last line above the limit is cut at its start.
    """
    room, first = limit, len(lines)
    while first and len(lines[first - 1]) < room:
        first -= 1
        room -= len(lines[first]) + 1
    kept = joined(lines[first:])
    if lines and first == len(lines):
        first, kept = first - 1, "(cut) … " + lines[-1][-limit:]
    left_out = forgotten + first
    return f"({left_out} earlier entries are left out here.)\n{kept}" if left_out else kept
