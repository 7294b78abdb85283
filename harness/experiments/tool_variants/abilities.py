"""Calls of different tool interfaces in one form: ability and times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LOOKED_AHEAD = 5
"""Occurrences of a repetition that are compared."""
_FARTHEST = timedelta(days=366 * 6)
"""Later occurrences are ignored. Six years include a 29 February."""


class Ability(StrEnum):
    """An ability that every variant must have."""

    CREATE_ONCE = "create_once"
    CREATE_RECURRING = "create_recurring"
    LIST = "list"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class ToolAction:
    """One tool call in neutral form. ``at``: local times, of a repetition the next five."""

    ability: Ability
    at: tuple[datetime, ...] = ()
    title: str = ""


class UnreadableError(ValueError):
    """The arguments of a call are unreadable; the text says why."""


def moment(value: object) -> datetime:
    """A local time from ISO 8601 text, to the minute. An offset is dropped, because the prompt has one local time.

    Raises `UnreadableError`.
    """
    if not isinstance(value, str):
        raise UnreadableError(f"{value!r:.60} is not ISO 8601 text")
    try:
        return datetime.fromisoformat(value.strip()).replace(tzinfo=None, second=0, microsecond=0)
    except ValueError:
        raise UnreadableError(f"{value!r:.60} is not an ISO 8601 date and time") from None


def after(seconds: object, now: datetime) -> datetime:
    """The time ``seconds`` from now. Raises `UnreadableError`."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 1e9:
        raise UnreadableError(f"{seconds!r:.60} is not a number of seconds from now")
    return (now + timedelta(seconds=seconds)).replace(second=0, microsecond=0)


def next_by_cron(expression: object, now: datetime) -> tuple[datetime, ...]:
    """The next occurrences of a five-field cron expression. Raises `UnreadableError`."""
    from cronsim import CronSim, CronSimError

    if not isinstance(expression, str) or len(expression) > 100:
        raise UnreadableError(f"{expression!r:.60} is not a cron expression")
    try:
        return _first(iter(CronSim(expression.strip(), now)), now)
    except CronSimError as error:
        raise UnreadableError(f"{expression!r:.60} is not a cron expression ({error})") from None


STEPS = ("daily", "weekdays", "weekly", "monthly")
"""The values of ``recurring``."""


def next_by_step(first: datetime, step: object, now: datetime) -> tuple[datetime, ...]:
    """The next occurrences of a task that starts at ``first`` and repeats by ``step``. Raises `UnreadableError`."""
    days = {"daily": "*", "weekdays": "1-5", "weekly": str(first.isoweekday() % 7), "monthly": "*"}
    if step not in days:
        raise UnreadableError(f"recurring={step!r:.60}; expected one of {', '.join(STEPS)}")
    date = first.day if step == "monthly" else "*"
    start = max(now, first - timedelta(minutes=1))
    return next_by_cron(f"{first.minute} {first.hour} {date} * {days[str(step)]}", start)


def _first(moments: Iterator[datetime], now: datetime) -> tuple[datetime, ...]:
    found: list[datetime] = []
    for one in moments:
        if len(found) == LOOKED_AHEAD or one - now > _FARTHEST:
            break
        found.append(one)
    return tuple(found)
