"""Transcripts as reviewers see them, without anything that reveals the arm."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.records import FiledRun
from harness.reports.parts import bounded
from harness.reports.review.blinding import Mask

LONGEST = 20_000
"""The most characters shown of one text."""


@dataclass(frozen=True, slots=True)
class Act:
    """One call in neutral words: what was done, and labelled details."""

    done: str
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One transcript. ``id`` reveals nothing; ``hidden`` counts removed names."""

    id: str
    asked_at: str
    prompt: str
    tests: str
    reply: str
    acts: tuple[Act, ...]
    hidden: int = 0


Reader = Callable[[Mapping[str, Any], Mapping[str, Any]], Sequence[Act]]
"""From a record and the first line of its file to its actions, in neutral words."""


Spoken = Callable[[Mapping[str, Any]], str]
"""From a record with a ``response_text`` to the text of its reply."""


def response_text(record: Mapping[str, Any]) -> str:
    """The default: the recorded text."""
    return str(record["response_text"])


def as_recorded(record: Mapping[str, Any], first_line: Mapping[str, Any]) -> Sequence[Act]:  # noqa: ARG001
    """The default: the record's ``actions``, or else only that tools were called.

    Arguments are left out, because their names reveal the interface.
    """
    actions = record.get("actions")
    if isinstance(actions, list) and actions:
        return [_action(one) for one in actions if isinstance(one, Mapping)]
    calls = record.get("tool_calls")
    return [Act("a tool was called") for _ in (calls if isinstance(calls, list) else [])]


def _action(one: Mapping[str, Any]) -> Act:
    done = str(one.get("ability") or "something").replace("_", " ")
    at = one.get("at")
    times = [str(moment) for moment in at] if isinstance(at, list) else []
    return Act(done, (("when", ", ".join(times)),) if times else ())


def reviewable(run: FiledRun) -> list[str]:
    """The finished trials, in the order of the design."""
    planned = [trial.id for group in run.design.groups for trial in run.design.trials(run.experiment, group)]
    return [
        trial for trial in planned if (outcome := run.outcomes.get(trial)) is not None and outcome.accepted
    ]


@dataclass(frozen=True)
class CallReader:
    """How to read an experiment's calls (``acts``) and replies (``spoken``).

    ``names``, and ``forms`` as regular expressions, are further texts that reveal its arms.
    """

    acts: Reader = as_recorded
    names: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    spoken: Spoken = response_text


@dataclass(frozen=True)
class Blinding:
    """How records become items: ``identify`` gives ids, ``names`` are hidden, and ``words`` too, in replies."""

    identify: Callable[[str], str]
    names: Mask
    words: Mask
    acts: Reader
    spoken: Spoken


def items_of(run: FiledRun, how: Blinding) -> dict[str, ReviewItem]:
    """Trial → its blind item, for every reviewable trial of a run whose records were read in full."""
    lines = {(line.get("group"), line.get("rep")): line for line in reversed(run.metadata)}
    return {
        trial: blind(record, lines.get((record["group"], record["rep"]), {}), how)
        for trial in reviewable(run)
        if (record := run.outcomes[trial].accepted)
    }


def blind(record: Mapping[str, Any], first_line: Mapping[str, Any], how: Blinding) -> ReviewItem:
    """One record as an item."""
    fields = record.get("proposal_fields")
    fields = fields if isinstance(fields, Mapping) else {}
    prompt = str(record.get("prompt") or fields.get("prompt") or _shown(fields))
    tests = str(fields.get("description") or "") if fields.get("prompt") else ""
    hide = _Masker(how)
    return ReviewItem(
        id=how.identify(str(record["trial"])),
        asked_at=_when(first_line),
        prompt=hide.names(prompt),
        tests=hide.names(tests),
        reply=hide.all(_said(record, how.spoken)),
        acts=tuple(
            Act(act.done, tuple((label, hide.all(value)) for label, value in act.details))
            for act in how.acts(record, first_line)
        ),
        hidden=hide.count,
    )


class _Masker:
    """Hides names and counts them."""

    def __init__(self, how: Blinding) -> None:
        self.how, self.count = how, 0

    def names(self, text: str) -> str:
        return self._hidden(self.how.names, cleaned(text))

    def all(self, text: str) -> str:
        return self._hidden(self.how.words, self.names(text))

    def _hidden(self, mask: Mask, text: str) -> str:
        shown, count = mask.text(text)
        self.count += count
        return shown


def _said(record: Mapping[str, Any], spoken: Spoken) -> str:
    """The reply's text, or else what was said in the transcript, without corrections and inserted thoughts."""
    if isinstance(record.get("response_text"), str):
        return spoken(record)
    events = record.get("transcript")
    talk = [
        (str(one.get("person")), str(one.get("content")))
        for one in (events if isinstance(events, list) else [])
        if isinstance(one, Mapping) and one.get("kind") == "action" and one.get("type") == "TALK"
    ]
    several = len(record.get("people") or ()) > 1 or len({person for person, _ in talk}) > 1
    return "\n\n".join(f"{person}: {text}" if several else text for person, text in talk)


def _shown(fields: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in fields.items())


def _when(first_line: Mapping[str, Any]) -> str:
    try:
        return f"{datetime.fromisoformat(str(first_line.get('fixed_timestamp'))):%A, %Y-%m-%d, %H:%M}"
    except ValueError:
        return ""


def cleaned(text: str) -> str:
    """``text`` as a sheet can hold it: at most `LONGEST` characters, without control characters."""
    kept = (sign for sign in bounded(text, LONGEST) if sign in "\n\t" or unicodedata.category(sign) != "Cc")
    return "".join(kept).encode("utf-8", "replace").decode()
