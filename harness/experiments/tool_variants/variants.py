"""The tool interfaces, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.experiments.tool_variants.abilities import (
    STEPS,
    Ability,
    ToolAction,
    UnreadableError,
    after,
    moment,
    next_by_cron,
    next_by_step,
)

Arguments = Mapping[str, Any]
Reader = Callable[[Arguments, datetime], ToolAction]
"""Converts one tool's arguments, at the given time, to an action. Raises `UnreadableError`."""

LOCAL_TIME = "ISO 8601 local date and time, such as 2026-01-31T18:00"


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as a model sees it, and the reader of its calls. It is never executed."""

    name: str
    description: str
    properties: Mapping[str, Mapping[str, Any]]
    required: tuple[str, ...]
    read: Reader

    def schema(self) -> dict[str, Any]:
        """The tool in OpenAI's format."""
        parameters = {
            "type": "object",
            "properties": {name: dict(one) for name, one in self.properties.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class ToolVariant:
    """A tool interface. ``examples`` has, for each ability, a call that expresses it: (tool, arguments)."""

    name: str
    tools: tuple[Tool, ...]
    examples: Mapping[Ability, tuple[str, Arguments]]

    def read(self, name: str, arguments: Arguments, now: datetime) -> ToolAction | None:
        """A call as an action; ``None`` for an unknown tool. Raises `UnreadableError`."""
        for tool in self.tools:
            if tool.name == name:
                return tool.read(arguments, now)
        return None

    def schemas(self) -> list[dict[str, Any]]:
        """Every tool in OpenAI's format."""
        return [tool.schema() for tool in self.tools]


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _title(arguments: Arguments) -> str:
    return str(arguments.get("title") or "")[:200]


def _schedule(arguments: Arguments, now: datetime) -> ToolAction:
    when, delay, step = (arguments.get(name) for name in ("when", "delay_seconds", "recurring"))
    at = moment(when) if when not in (None, "") else None
    if at is None and delay is not None:
        at = after(delay, now)
    if step not in (None, "", "none"):
        if at is None:
            raise UnreadableError("a repeating task without a first time")
        return ToolAction(Ability.CREATE_RECURRING, next_by_step(at, step, now), _title(arguments))
    return ToolAction(Ability.CREATE_ONCE, () if at is None else (at,), _title(arguments))


def _list(arguments: Arguments, now: datetime) -> ToolAction:  # noqa: ARG001
    return ToolAction(Ability.LIST)


def _update(key: str) -> Reader:
    def read(arguments: Arguments, now: datetime) -> ToolAction:  # noqa: ARG001
        at = arguments.get(key)
        return ToolAction(Ability.UPDATE, () if at in (None, "") else (moment(at),), _title(arguments))

    return read


def _event(arguments: Arguments, now: datetime) -> ToolAction:  # noqa: ARG001
    return ToolAction(Ability.CREATE_ONCE, (moment(arguments.get("start")),), _title(arguments))


def _reminder(arguments: Arguments, now: datetime) -> ToolAction:
    return ToolAction(Ability.CREATE_RECURRING, next_by_cron(arguments.get("cron"), now), _title(arguments))


_ID = _text("Its title or its id.")

BASELINE = ToolVariant(
    "baseline",
    (
        Tool(
            "schedule_task",
            "Schedules a task, once or repeatedly.",
            {
                "title": _text("What it is about, in a few words."),
                "description": _text("Further details."),
                "when": _text(f"When: {LOCAL_TIME}. For a repeating task, the first time."),
                "delay_seconds": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Seconds from now, instead of when.",
                },
                "recurring": _text("How it repeats; omit for a single occurrence.", enum=list(STEPS)),
            },
            ("title",),
            _schedule,
        ),
        Tool(
            "list_tasks",
            "Lists the scheduled tasks.",
            {
                "since": _text(f"Not before: {LOCAL_TIME}."),
                "until": _text(f"Not after: {LOCAL_TIME}."),
            },
            (),
            _list,
        ),
        Tool(
            "update_task",
            "Updates or closes a scheduled task.",
            {
                "task": _ID,
                "title": _text("A new title."),
                "when": _text(f"A new time: {LOCAL_TIME}."),
                "status": _text("Its new status.", enum=["open", "done", "cancelled"]),
            },
            ("task",),
            _update("when"),
        ),
    ),
    {
        Ability.CREATE_ONCE: ("schedule_task", {"title": "tea", "when": "2026-03-12T16:00"}),
        Ability.CREATE_RECURRING: (
            "schedule_task",
            {"title": "tea", "when": "2026-03-11T16:00", "recurring": "daily"},
        ),
        Ability.LIST: ("list_tasks", {}),
        Ability.UPDATE: ("update_task", {"task": "tea", "when": "2026-03-12T16:00"}),
    },
)

APPLIKE = ToolVariant(
    "applike",
    (
        Tool(
            "calendar_create_event",
            "Adds an event to the calendar.",
            {
                "title": _text("What it is about, in a few words."),
                "start": _text(f"When it starts: {LOCAL_TIME}."),
                "end": _text(f"When it ends: {LOCAL_TIME}."),
                "notes": _text("Further details."),
            },
            ("title", "start"),
            _event,
        ),
        Tool(
            "calendar_list_events",
            "Lists the events in the calendar.",
            {
                "start": _text(f"Not before: {LOCAL_TIME}."),
                "end": _text(f"Not after: {LOCAL_TIME}."),
            },
            (),
            _list,
        ),
        Tool(
            "calendar_update_event",
            "Updates or closes an event in the calendar.",
            {
                "event": _ID,
                "title": _text("A new title."),
                "start": _text(f"A new start: {LOCAL_TIME}."),
                "end": _text(f"A new end: {LOCAL_TIME}."),
                "status": _text("Its new status.", enum=["open", "done", "cancelled"]),
            },
            ("event",),
            _update("start"),
        ),
        Tool(
            "reminders_create",
            "Creates a recurring reminder.",
            {
                "title": _text("What it is about, in a few words."),
                "cron": _text("When, as a five-field cron expression in local time, such as 0 18 * * 5."),
                "notes": _text("Further details."),
            },
            ("title", "cron"),
            _reminder,
        ),
    ),
    {
        Ability.CREATE_ONCE: ("calendar_create_event", {"title": "tea", "start": "2026-03-12T16:00"}),
        Ability.CREATE_RECURRING: ("reminders_create", {"title": "tea", "cron": "0 16 * * *"}),
        Ability.LIST: ("calendar_list_events", {}),
        Ability.UPDATE: ("calendar_update_event", {"event": "tea", "start": "2026-03-12T16:00"}),
    },
)

VARIANTS: Mapping[str, ToolVariant] = {variant.name: variant for variant in (BASELINE, APPLIKE)}
"""All variants. The others are compared with the first."""
