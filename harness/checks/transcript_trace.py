"""The parts of a transcript that checks need, small enough to keep for every trial of a run."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from harness.model.survey.survey import ANSWER

LONG = 80
"""The length in characters from which equal actions are not a coincidence; a short "I agree" is below it."""
MOST = 64
"""The most long actions kept of a trial, from its beginning, since copies diverge later."""

_PREDICTABLE = frozenset({"TOOL_CALL", ANSWER})
"""Actions that are equal in two trials without a shared reply: tool calls, and answers by choice or number."""


class Trace(TypedDict):
    """``said`` has a mark of each long action, ``heard`` and ``thoughts`` each request and inserted thought, once.

    ``turns`` counts the turns without an action, and all turns.
    """

    said: tuple[int, ...]
    heard: tuple[str, ...]
    thoughts: tuple[str, ...]
    turns: tuple[int, int]


def condense(record: Mapping[str, Any]) -> Trace:
    """The trace of a trial's record with its transcript; empty without one.

    Requests and thoughts come from the script and the interventions, not from other personas. Actions that
    repeat such texts are left out, because two trials may quote the same request.
    """
    events = [event for event in record.get("transcript") or () if isinstance(event, Mapping)]
    people = frozenset(map(str, record.get("people") or ()))
    told = dict(_told(events, people))
    return {
        "said": tuple(dict.fromkeys(_said(events, tuple(told))))[:MOST],
        "heard": tuple(text for text, thought in told.items() if not thought),
        "thoughts": tuple(text for text, thought in told.items() if thought),
        "turns": _turns(events),
    }


def trace_of(record: Mapping[str, Any]) -> Trace:
    """The trace that was kept with ``record`` when it was read, else made from its transcript."""
    kept: Trace | None = record.get("trace")
    return condense(record) if kept is None else kept


def _turns(events: list[Mapping[str, Any]]) -> tuple[int, int]:
    """Turns that have no action but DONE, and all that end in DONE: the actions of one person in one step."""
    done = {_turn(event) for event in events if event.get("kind") == "action" and event.get("type") == "DONE"}
    acted = {
        _turn(event) for event in events if event.get("kind") == "action" and event.get("type") != "DONE"
    }
    return len(done - acted), len(done)


def _turn(event: Mapping[str, Any]) -> tuple[str, str]:
    return str(event.get("step")), str(event.get("person"))  # a damaged record may have anything here


def _told(events: list[Mapping[str, Any]], people: frozenset[str]) -> Iterator[tuple[str, bool]]:
    for event in events:
        kind, text, source = event.get("type"), event.get("content"), event.get("source")
        from_a_person = kind != "THOUGHT" and isinstance(source, str) and source in people
        if event.get("kind") == "stimulus" and not from_a_person and isinstance(text, str) and text:
            yield sys.intern(text), kind == "THOUGHT"


def _said(events: list[Mapping[str, Any]], told: tuple[str, ...]) -> Iterator[int]:
    for event in events:
        text = event.get("content")
        if event.get("kind") != "action" or event.get("type") in _PREDICTABLE or not isinstance(text, str):
            continue
        words = text.strip()
        if len(words) >= LONG and not any(words in one for one in told):
            yield int.from_bytes(hashlib.blake2b(words.encode("utf-8", "replace"), digest_size=8).digest())
