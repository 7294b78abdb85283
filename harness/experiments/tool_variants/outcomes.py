"""From one reply to one outcome, by rules that need no model."""

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
    """What a turn came to, and what it did in the words of no variant. ``why`` says what is wrong, if anything is."""

    outcome: TurnOutcome
    actions: tuple[ToolAction, ...] = ()
    why: str = ""


def called(tool_calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tool calls as ``{name, args}``; unreadable arguments stand as they came."""
    return [
        {"name": call.name, "args": call.written if call.arguments is None else dict(call.arguments)}
        for call in read_calls(tool_calls)
    ]


def spoken(record: Mapping[str, Any]) -> str:
    """What the reply of a record says. Records of earlier versions do not have its thoughts apart."""
    text = str(record["response_text"])
    return text if "thoughts" in record else split(text).said


def judge(
    variant: ToolVariant, scenario: Scenario, text: str, calls: Sequence[Mapping[str, Any]], now: datetime
) -> JudgedTurn:
    """The outcome of a turn: its words, and its calls as `called` gives them.

    Without a call, words that ask something are *clarified* and others *declined*. With calls, a tool that does not
    exist or an ability that was not wanted is *wrong tool*, times that are not the expected ones are *wrong
    arguments*, and the rest is *acted*, whether acting was right or not.
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
            return JudgedTurn(
                TurnOutcome.WRONG_TOOL, tuple(actions), f"there is no tool {call['name']!r:.80}"
            )
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
    """Whether every occurrence is in time for one that is due, each for another.

    What comes early for an occurrence may have come before now the first time: then the rest decide.
    """
    if not found:
        return False
    places = []
    for one in found:
        fits = [place for place, at in enumerate(due) if at - early <= one <= at + late]
        if not fits and one > due[-1]:
            break  # beyond what was looked at
        if not fits:
            return False
        places.append(fits[0])
    return len(places) >= len(due) - 1 and all(b - a == 1 for a, b in pairwise(places))


def _shown(expected: Expected) -> str:
    slack = f", up to {expected.early} min earlier" if expected.early else ""
    return (" or ".join(expected.at) or f"cron {expected.cron}") + slack
