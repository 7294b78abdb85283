"""What tools are for, whatever they are called, and when: calls of different interfaces in one form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LOOKED_AHEAD = 5
"""How many of its next occurrences a repetition is compared by."""
_FARTHEST = timedelta(days=366 * 6)
"""No occurrence is looked for beyond this: 29 February is far off."""


class Ability(StrEnum):
    """What every variant must be able to do."""

    CREATE_ONCE = "create_once"
    CREATE_RECURRING = "create_recurring"
    LIST = "list"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class ToolAction:
    """One tool call in the words of no variant. ``at``: local times, of a repetition the next five."""

    ability: Ability
    at: tuple[datetime, ...] = ()
    title: str = ""


class UnreadableError(ValueError):
    """Arguments that no action can be read from; the text says which."""


def moment(value: object) -> datetime:
    """A local time from ISO 8601 text, to the minute. An offset is dropped: the prompt knows one local time only.

    Raises `UnreadableError`.
    """
    if not isinstance(value, str):
        raise UnreadableError(f"{value!r:.60} is no ISO 8601 text")
    try:
        return datetime.fromisoformat(value.strip()).replace(tzinfo=None, second=0, microsecond=0)
    except ValueError:
        raise UnreadableError(f"{value!r:.60} is no ISO 8601 date and time") from None


def after(seconds: object, now: datetime) -> datetime:
    """The moment ``seconds`` from now. Raises `UnreadableError`."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 1e9:
        raise UnreadableError(f"{seconds!r:.60} is no number of seconds from now")
    return (now + timedelta(seconds=seconds)).replace(second=0, microsecond=0)


def next_by_cron(expression: object, now: datetime) -> tuple[datetime, ...]:
    """The next occurrences of a five-field cron expression. Raises `UnreadableError`."""
    from cronsim import CronSim, CronSimError

    if not isinstance(expression, str) or len(expression) > 100:
        raise UnreadableError(f"{expression!r:.60} is no cron expression")
    try:
        return _first(iter(CronSim(expression.strip(), now)), now)
    except CronSimError as error:
        raise UnreadableError(f"{expression!r:.60} is no cron expression ({error})") from None


STEPS = ("daily", "weekdays", "weekly", "monthly")
"""How a task may repeat where that is said in a word."""


def next_by_step(first: datetime, step: object, now: datetime) -> tuple[datetime, ...]:
    """The next occurrences of what begins at ``first`` and repeats by ``step``. Raises `UnreadableError`."""
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
