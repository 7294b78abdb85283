"""Turns: one person's actions in one step, read from a model's reply."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.engines.embedded.model_requests import Unusable
from harness.engines.embedded.transcript import clean, inside
from harness.model import Event

ASKED = ("THINK", "TALK")
"""The kinds of action that a model chooses from."""
KINDS = (*ASKED, "DONE")
EMPTY = "The turn has no action with any content."
MAX_ACTIONS = 8
"""The most actions of a turn, DONE included; further ones are dropped."""
MAX_CONTENT = 12_000
"""The most characters of one action: enough for a rapporteur's summary."""
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Action:
    """One action. ``target`` is the full name of the person spoken to, or empty for everyone."""

    type: str
    content: str = ""
    target: str = ""


Turn = tuple[Action, ...]
"""Actions in order; the last one, and only that, is DONE."""

DONE = Action("DONE")


def read_turn(data: Any, others: Sequence[str]) -> Turn:
    """The turn in a reply's ``data``: known actions with content, bounded, and DONE, which is added.

    Raises `Unusable` when there is no list of actions, no known one in it, or none with content.
    """
    listed = data.get("actions") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise Unusable("The reply has no list of actions.")
    known = [item for item in listed if isinstance(item, dict) and item.get("type") in KINDS]
    if listed and not known:
        raise Unusable(f"None of the {len(listed)} actions is one of {', '.join(KINDS)}.")
    done = list(_until_done(known, others))[: MAX_ACTIONS - 1]
    if not done:
        raise Unusable(EMPTY)
    return (*done, DONE)


def _until_done(items: list[dict[str, Any]], others: Sequence[str]) -> Iterator[Action]:
    for item in items[:MAX_ACTIONS]:
        if item["type"] == "DONE":
            return
        content = clean(item.get("content"), MAX_CONTENT)
        if content:
            target = find(item.get("target"), others) if item["type"] == "TALK" else ""
            yield Action(item["type"], content, target)


def find(target: Any, others: Sequence[str]) -> str:
    """The one of ``others`` that ``target`` means, by full or unmistakable first name; empty if none."""
    wanted = clean(target, _MAX_NAME).casefold()
    full = [name for name in others if name.casefold() == wanted]
    first = [name for name in others if name.casefold().split(" ")[0] == wanted]
    return next((found[0] for found in (full, first) if len(found) == 1), "")


def events(turn: Turn, person: str, step: int) -> tuple[Event, ...]:
    """The turn as lines of the transcript."""
    return tuple(
        Event(step, person, "action", a.type, a.content, source=person, target=a.target) for a in turn
    )


def as_json(turn: Sequence[Action]) -> str:
    """The turn as the JSON of a reply, which has no DONE."""
    actions = [
        {"type": act.type, "content": act.content, "target": act.target} for act in turn if act != DONE
    ]
    return json.dumps({"actions": actions}, ensure_ascii=False)


def as_text(turn: Sequence[Action]) -> str:
    """The turn as text; empty if it has no action but DONE."""
    return "\n".join(
        f"{action.type}{f' (to {action.target})' if action.target else ''}: {inside(action.content)}"
        for action in turn
        if action.type != "DONE"
    )
