"""Classify one reply, by rules that need no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from harness.experiments.tool_variants.abilities import Ability, ToolAction, UnreadableError, next_by_cron
from harness.experiments.tool_variants.scenarios import Expected, Scenario, TurnOutcome
from harness.experiments.tool_variants.variants import ToolVariant
from harness.gateway.replies.reply_text import split
from harness.gateway.replies.tool_arguments import UnreadableArgumentsError, read_arguments, read_calls


@dataclass(frozen=True, slots=True)
class JudgedTurn:
    """The outcome of a turn, and its actions in neutral form. ``why`` is the fault, if any."""

    outcome: TurnOutcome
    actions: tuple[ToolAction, ...] = ()
    why: str = ""


def called(tool_calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tool calls as ``{name, args}``; unreadable arguments are kept verbatim."""
    return [
        {"name": call.name, "args": call.written if call.arguments is None else dict(call.arguments)}
        for call in read_calls(tool_calls)
    ]


def spoken(record: Mapping[str, Any]) -> str:
    """The text of a recorded reply. Records of earlier versions do not separate its thoughts."""
    text = str(record["response_text"])
    return text if "thoughts" in record else split(text).said


def judge(
    variant: ToolVariant, scenario: Scenario, text: str, calls: Sequence[Mapping[str, Any]], now: datetime
) -> JudgedTurn:
    """Classify a turn from its text and its calls, as `called` returns them.

    Without a call, a question is *clarified* and other text *declined*. With calls, a tool that does not exist or an
    unexpected ability is *wrong tool*, unexpected times are *wrong arguments*, and the rest is *acted*, whether or
    not acting was right.
    """
    if not calls:
        if not text.strip():
            return JudgedTurn(TurnOutcome.EMPTY)
        return JudgedTurn(TurnOutcome.CLARIFIED if "?" in text else TurnOutcome.DECLINED)
    actions: list[ToolAction] = []
    for call in calls:
        try:
            action = variant.read(call["name"], read_arguments(call["args"]), now)
        except (UnreadableArgumentsError, UnreadableError) as error:
            return JudgedTurn(TurnOutcome.WRONG_ARGUMENTS, tuple(actions), f"{call['name']}: {error}")
        if action is None:
            return JudgedTurn(TurnOutcome.WRONG_TOOL, tuple(actions), f"unknown tool {call['name']!r:.80}")
        actions.append(action)
    return _compared(tuple(actions), scenario.expected, now)


def _compared(actions: tuple[ToolAction, ...], expected: Expected | None, now: datetime) -> JudgedTurn:
    if expected is None:
        return JudgedTurn(TurnOutcome.ACTED, actions)
    wanted = {*expected.abilities, Ability.LIST}
    strange = [action.ability for action in actions if action.ability not in wanted]
    fitting = [action for action in actions if action.ability in expected.abilities]
    if strange or not fitting:
        done = ", ".join(strange or [action.ability for action in actions])
        return JudgedTurn(
            TurnOutcome.WRONG_TOOL, actions, f"{done}; expected {' or '.join(expected.abilities)}"
        )
    wrong = [action for action in fitting if not _in_time(action, expected, now)]
    if wrong:
        shown = ", ".join(one.isoformat(timespec="minutes") for one in wrong[0].at[:2]) or "no time"
        return JudgedTurn(TurnOutcome.WRONG_ARGUMENTS, actions, f"{shown}; expected {_shown(expected)}")
    return JudgedTurn(TurnOutcome.ACTED, actions)


def _in_time(action: ToolAction, expected: Expected, now: datetime) -> bool:
    if action.ability == Ability.LIST:
        return True
    early, late = timedelta(minutes=expected.early), timedelta(minutes=expected.late)
    if expected.cron is not None:
        due = next_by_cron(expected.cron, now)
        return _repeats(action.at, due, early, late)
    times = [datetime.fromisoformat(one) for one in expected.at]
    return not times or (
        len(action.at) == 1 and any(one - early <= action.at[0] <= one + late for one in times)
    )


def _repeats(found: Sequence[datetime], due: Sequence[datetime], early: timedelta, late: timedelta) -> bool:
    """Whether each occurrence found is in time for a different due one.

    If occurrences are early, the first may lie before now; then the others decide.
    """
    if not found:
        return False
    places = []
    for one in found:
        fits = [place for place, at in enumerate(due) if at - early <= one <= at + late]
        if not fits and one > due[-1]:
            break  # beyond the last due occurrence
        if not fits:
            return False
        places.append(fits[0])
    return len(places) >= len(due) - 1 and all(b - a == 1 for a, b in pairwise(places))


def _shown(expected: Expected) -> str:
    slack = f", up to {expected.early} min earlier" if expected.early else ""
    return (" or ".join(expected.at) or f"cron {expected.cron}") + slack
