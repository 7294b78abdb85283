"""The transcript of a trial's model calls, for a play that writes none itself.

Calls are in the order in which they were made, whichever reply comes first. A message that an earlier request of the
same conversation has shown is not repeated. Texts come from models and users: they are data, and bounded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from harness.gateway.calls import CallSite, Reply, Request
from harness.gateway.replies.tool_arguments import read_calls
from harness.gateway.requests.call_kinds import role_of
from harness.model import Event
from harness.model.roles import MEASURING
from harness.model.text import whole

MOST_EVENTS = 2_000
"""Events of one trial's transcript."""
MOST_CHARACTERS = 500_000
"""Characters of one trial's transcript."""
LONGEST = 20_000
"""Characters of one event; what is longer is cut, with a mark."""

AGENT = "agent"
"""Who acts where the call site names neither a person nor a kind of call."""

_ROLES = {"developer": "system", "function": "tool"}
_UNNAMED = "other"
_CUT = " … (cut)"
_Mark = tuple[str, str, str]
"""A message by its role, text and tool calls; equal for a reply and for the message that repeats it."""


@dataclass(eq=False, slots=True)
class _Conversation:
    """What one conversation has shown so far. ``latest`` is its last request, with the reply once that came."""

    base: str
    system: tuple[_Mark, ...]
    latest: list[_Mark] = field(default_factory=list)
    shown: Counter[_Mark] = field(default_factory=Counter)
    tools: dict[str, str] = field(default_factory=dict)

    def new_of(self, marks: list[_Mark]) -> list[int]:
        """The places of the messages that no earlier request showed."""
        known = len(self.latest)
        if known and marks[:known] == self.latest:
            return list(range(known, len(marks)))
        left, found = Counter(self.shown), []
        for place, mark in enumerate(marks):
            if left[mark]:
                left[mark] -= 1
            else:
                found.append(place)
        return found

    def take(self, marks: list[_Mark]) -> None:
        self.latest = marks
        self.shown |= Counter(marks)

    def likeness(self, marks: Sequence[_Mark]) -> tuple[int, int]:
        """How many messages in a row, and how many in all, ``marks`` share with this; 0 if it is another conversation.

        System prompts do not count. Under another one, only what the agent itself has said shows that it goes on.
        """
        others = [mark for mark in marks if mark[0] != "system" and self.shown[mark]]
        if _system(marks) != self.system and all(mark[0] != "assistant" for mark in others):
            return 0, 0
        row = 0
        for mine, other in zip(self.latest, marks, strict=False):
            if mine != other:
                break
            row += mine[0] != "system"
        return row, len(others)


@dataclass(eq=False, slots=True)
class LoggedCall:
    """One call; its events name no person yet."""

    conversation: _Conversation
    marks: list[_Mark]
    step: int
    asked: list[Event]
    answered: list[Event] = field(default_factory=list)
    name: str = ""


class ConversationLog:
    """Collects the calls of one trial: `begin` when a call is made, `end` when its reply is handed over."""

    def __init__(self) -> None:
        self._conversations: list[_Conversation] = []
        self._calls: list[LoggedCall] = []
        self._events = self._characters = self._left_out = 0

    def begin(self, request: Request, site: CallSite) -> LoggedCall | None:
        """Note a call; ``None`` for one that scores or extracts an outcome."""
        if role_of(site) in MEASURING:
            return None
        messages = [one if isinstance(one, Mapping) else {"content": str(one)} for one in request.messages]
        marks = [_mark(one) for one in messages]
        conversation = self._conversation_of(site, marks)
        step = site.step if site.step >= 0 else len(self._calls) + 1
        for message in messages:
            conversation.tools |= _tool_names(message)
        new = [messages[place] for place in conversation.new_of(marks)]
        asked = self._kept(event for one in new for event in _asked(one, step, conversation.tools))
        conversation.take(marks)
        self._calls.append(LoggedCall(conversation, marks, step, asked))
        return self._calls[-1]

    def end(self, call: LoggedCall, reply: Reply) -> None:
        """Note the reply to ``call``."""
        message = {"role": "assistant", "content": reply.text, "tool_calls": reply.tool_calls}
        call.name, call.answered = reply.call, self._kept(_answered(reply, call.step))
        call.conversation.tools |= _tool_names(message)
        call.conversation.take([*call.marks, _mark(message)])

    def reject(self, name: str) -> None:
        """Take out the reply with the name ``name``: it was not used."""
        for call in self._calls:
            if name and call.name == name:
                call.answered = []

    def transcript(self) -> tuple[Event, ...]:
        """All that was said until now."""
        persons = self._persons()
        events = [
            replace(event, person=persons[id(call.conversation)])
            for call in self._calls
            for event in (*call.asked, *call.answered)
        ]
        if self._left_out:
            note = f"The transcript is cut here: {self._left_out:,} later messages are left out."
            events.append(Event(self._calls[-1].step, "", "stimulus", "CUT", note))
        return tuple(events)

    def _conversation_of(self, site: CallSite, marks: list[_Mark]) -> _Conversation:
        """The conversation of this site that ``marks`` continue, or a new one."""
        base = site.person or (AGENT if site.kind == _UNNAMED else site.kind)
        mine = [one for one in self._conversations if one.base == base]
        best = max(mine, key=lambda one: one.likeness(marks), default=None)
        if best is not None and any(best.likeness(marks)):
            return best
        system = _system(marks)
        made = _Conversation(base, system)
        for one in mine:
            if one.system == system:  # an equal system prompt is shown once
                made.shown |= Counter(system)
        self._conversations.append(made)
        return made

    def _persons(self) -> dict[int, str]:
        """Who acts in each conversation. Those of one site are numbered if prompts differ or calls interleave."""
        named: dict[int, str] = {}
        for base in dict.fromkeys(one.base for one in self._conversations):
            mine = [one for one in self._conversations if one.base == base]
            calls = [id(call.conversation) for call in self._calls if call.conversation.base == base]
            changes = sum(one != other for one, other in pairwise(calls))
            apart = changes >= len(mine) or len({one.system for one in mine}) > 1
            for number, one in enumerate(mine, 1):
                named[id(one)] = f"{base} {number}" if apart and number > 1 else base
        return named

    def _kept(self, events: Iterable[Event]) -> list[Event]:
        """The events for which there is room."""
        kept = []
        for event in events:
            size = len(event.content)
            if self._left_out or self._events >= MOST_EVENTS or self._characters + size > MOST_CHARACTERS:
                self._left_out += 1
                continue
            self._events, self._characters = self._events + 1, self._characters + size
            kept.append(event)
        return kept


def _mark(message: Mapping[str, Any]) -> _Mark:
    calls = [
        [call.name, call.written if call.arguments is None else call.arguments] for call in _calls(message)
    ]
    written = json.dumps(calls, sort_keys=True, default=str) if calls else ""
    return _role(message), _text(message.get("content")).strip(), written


def _system(marks: Iterable[_Mark]) -> tuple[_Mark, ...]:
    return tuple(mark for mark in marks if mark[0] == "system")


def _role(message: Mapping[str, Any]) -> str:
    role = str(message.get("role", ""))
    return _ROLES.get(role, role)


def _calls(message: Mapping[str, Any]) -> Any:
    calls = message.get("tool_calls")
    return read_calls(calls) if isinstance(calls, list | tuple) else ()


def _tool_names(message: Mapping[str, Any]) -> dict[str, str]:
    """Tool by the id of a call, so that a result names its tool."""
    calls = message.get("tool_calls")
    pairs = zip(calls, _calls(message), strict=False) if isinstance(calls, list | tuple) else ()
    return {str(written.get("id")): call.name for written, call in pairs if isinstance(written, Mapping)}


def _text(content: Any) -> str:
    """The text of a message; a part that is not text shows as its type."""
    if content is None:
        return ""
    if not isinstance(content, list | tuple):
        return str(content)
    parts = (
        (str(part["text"]) if isinstance(part.get("text"), str) else f"[{part.get('type', 'part')}]")
        if isinstance(part, Mapping)
        else str(part)
        for part in content
    )
    return "\n".join(parts)


def _asked(message: Mapping[str, Any], step: int, tools: Mapping[str, str]) -> Iterator[Event]:
    """What the agent read in one message."""
    role, text = _role(message), _bounded(_text(message.get("content")))
    if role == "system":
        yield Event(step, "", "stimulus", "SYSTEM", text)
    elif role == "tool":
        name = message.get("name") or tools.get(str(message.get("tool_call_id"))) or "tool"
        yield Event(step, "", "stimulus", "TOOL_RESULT", text, source=_bounded(str(name), 100))
    elif text:
        yield Event(step, "", "stimulus", "CONVERSATION", text, source=_bounded(role or "user", 100))


def _answered(reply: Reply, step: int) -> Iterator[Event]:
    """What the agent thought, said and called in one reply."""
    if reply.thoughts:
        yield Event(step, "", "action", "THINK", _bounded(reply.thoughts))
    if reply.text.strip():
        yield Event(step, "", "action", "TALK", _bounded(reply.text.strip()))
    for call in reply.calls:
        written = call.written if call.arguments is None else json.dumps(call.arguments, ensure_ascii=False)
        yield Event(step, "", "action", "TOOL_CALL", _bounded(str(written)), target=_bounded(call.name, 100))


def _bounded(text: str, limit: int = LONGEST) -> str:
    return whole(text if len(text) <= limit else text[:limit] + _CUT)
