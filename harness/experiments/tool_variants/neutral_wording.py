"""Describe a turn's calls without the words of any variant, for blind reviewers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from harness.experiments.tool_variants.abilities import Ability, ToolAction, UnreadableError, moment
from harness.experiments.tool_variants.outcomes import spoken
from harness.experiments.tool_variants.variants import VARIANTS, ToolVariant
from harness.gateway.replies.tool_arguments import UnreadableArgumentsError, read_arguments
from harness.reports.review.items import Act, CallReader

DONE = {
    Ability.CREATE_ONCE: "create, once",
    Ability.CREATE_RECURRING: "create, repeatedly",
    Ability.LIST: "look up",
    Ability.UPDATE: "change",
}
LABELS = {
    "task": "which one",
    "event": "which one",
    "title": "title",
    "description": "more",
    "notes": "more",
    "status": "becomes",
}
"""Parameter → its label on a sheet, the same for every variant, in the order of the sheet."""
FROM, TO = ("since", "start"), ("until", "end")
"""Parameters of a look-up: from when, and to when."""
UNREADABLE = "cannot be read as a time"
CRON = r"(?<!\S)[`\"']?(?=[\d/, -]{0,40}\*)(?:[\d*/,-]+ +){4}(?:[\d*/,-]*[\d*]|[a-z]{3}(?:-[a-z]{3})?)"
"""A cron expression in a text; only one variant uses them."""


def acts(record: Mapping[str, Any], first_line: Mapping[str, Any]) -> Sequence[Act]:
    """Each call of a record: its ability, its times, and its details under neutral labels.

    Parameters without a label are left out.
    """
    variant = VARIANTS.get(str(record.get("variant")))
    now = datetime.fromisoformat(str(first_line.get("fixed_timestamp")))
    calls = record.get("tool_calls") or ()
    return [_act(variant, str(call.get("name")), call.get("args"), now) for call in calls]


def _act(variant: ToolVariant | None, name: str, arguments: Any, now: datetime) -> Act:
    abilities = [] if variant is None else [a for a, (tool, _) in variant.examples.items() if tool == name]
    if variant is None or not abilities:
        return Act("something that cannot be done")
    try:
        arguments = read_arguments(arguments)
    except UnreadableArgumentsError:
        return Act(DONE[abilities[0]] if len(abilities) == 1 else "create", (("details", "cannot be read"),))
    try:
        action = variant.read(name, arguments, now)
    except UnreadableError:
        action = None
    ability = _attempted(abilities, arguments) if action is None else action.ability
    return Act(DONE[ability], (*_named(arguments), *_times(ability, action, arguments)))


def _attempted(abilities: Sequence[Ability], arguments: Mapping[str, Any]) -> Ability:
    """The ability of a call with unreadable times."""
    again = arguments.get("recurring") not in (None, "", "none")
    return Ability.CREATE_RECURRING if again and Ability.CREATE_RECURRING in abilities else abilities[0]


def _named(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter, label in LABELS.items():
        if (value := arguments.get(parameter)) not in (None, ""):
            yield label, value if isinstance(value, str) else f"{value!r:.200}"


def _times(
    ability: Ability, action: ToolAction | None, arguments: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    if ability == Ability.LIST:
        for label, parameters in (("from", FROM), ("to", TO)):
            for value in (arguments[one] for one in parameters if arguments.get(one) not in (None, "")):
                yield label, _read(value)
    elif action is None:
        yield "when", UNREADABLE
    elif action.at:
        yield "when", ", then ".join(map(_shown, action.at))


def _read(value: Any) -> str:
    try:
        return _shown(moment(value))
    except UnreadableError:
        return UNREADABLE


def _shown(at: datetime) -> str:
    return f"{at:%a %Y-%m-%d %H:%M}"


READING = CallReader(acts, names=("cron",), forms=(CRON,), spoken=spoken)
"""How blind sheets read the records of this experiment."""
