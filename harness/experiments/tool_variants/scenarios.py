"""The twenty requests, and the acceptable answers to each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.experiments.tool_variants.abilities import Ability

FIXED_TIMESTAMP = "2026-03-11T09:30:00"
"""The local time of every request. The wall clock never appears in a prompt."""


class TurnOutcome(StrEnum):
    """The class of one turn."""

    ACTED = "acted"
    CLARIFIED = "clarified"
    DECLINED = "declined"
    WRONG_TOOL = "wrong tool"
    WRONG_ARGUMENTS = "wrong arguments"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Expected:
    """An expected action: one of ``abilities``, at one of the times ``at``, or repeated by ``cron``.

    Each time may be up to ``early`` minutes earlier and ``late`` minutes later. Without a time, any time is correct.
    """

    abilities: tuple[Ability, ...]
    at: tuple[str, ...] = ()
    cron: str | None = None
    early: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One request. ``accept`` has the acceptable outcomes; ``description`` explains the test to a reviewer."""

    name: str
    category: str
    prompt: str
    description: str
    accept: tuple[TurnOutcome, ...]
    expected: Expected | None = None

    @property
    def id(self) -> str:
        return f"{self.category}:{self.name}"


_ONCE, _AGAIN = (Ability.CREATE_ONCE,), (Ability.CREATE_RECURRING,)
_ACT, _ASK, _SAY = (TurnOutcome.ACTED,), (TurnOutcome.CLARIFIED,), (TurnOutcome.DECLINED,)

SCENARIOS = (
    Scenario(
        "dentist", "sanity", "Put a dentist appointment in for tomorrow at 3 pm.",
        "One appointment; day and hour are given.", _ACT, Expected(_ONCE, ("2026-03-12T15:00",)),
    ),
    Scenario(
        "vitamins", "sanity", "Remind me every day at 8 in the morning to take my vitamins.",
        "A daily repetition; the hour is given.", _ACT, Expected(_AGAIN, cron="0 8 * * *"),
    ),
    Scenario(
        "agenda", "sanity", "What is planned for Friday?",
        "A look-up that changes nothing.", _ACT, Expected((Ability.LIST,)),
    ),
    Scenario(
        "no-time", "ambiguous", "Remind me to call Anna.",
        "No time is given, and none can be inferred.", _ASK,
    ),
    Scenario(
        "some-lunch", "ambiguous", "Set up lunch with Marek sometime next week.",
        "A week is given, but neither a day nor an hour.", _ASK,
    ),
    Scenario(
        "evening", "ambiguous", "Remind me this evening to water the plants.",
        "An evening is long: any time from 17:00 to 22:00 is fine, and so is a question.",
        (*_ACT, *_ASK), Expected(_ONCE, ("2026-03-11T22:00",), early=300),
    ),
    Scenario(
        "next-friday", "ambiguous", "Book the car in for its service next Friday at 9.",
        "On a Wednesday, next Friday may be in two days or in nine.",
        (*_ACT, *_ASK), Expected(_ONCE, ("2026-03-13T09:00", "2026-03-20T09:00")),
    ),
    Scenario(
        "half-seven", "ambiguous", "Wake me at half past seven.",
        "Tomorrow morning is likely, this evening possible.",
        (*_ACT, *_ASK), Expected(_ONCE, ("2026-03-12T07:30", "2026-03-11T19:30")),
    ),
    Scenario(
        "move-it", "ambiguous", "Move it to Thursday.",
        "Nothing was mentioned that could be moved.", _ASK,
    ),
    Scenario(
        "architect", "routing", "I am meeting the architect on 19 March at 14:00, keep that for me.",
        "An appointment, not a reminder that repeats.", _ACT, Expected(_ONCE, ("2026-03-19T14:00",)),
    ),
    Scenario(
        "log-book", "routing", "Nudge me on weekdays at 17:30 to write down what I did.",
        "A repetition on five days of the week.", _ACT, Expected(_AGAIN, cron="30 17 * * 1-5"),
    ),
    Scenario(
        "bread", "routing", "Tell me in twenty minutes to take the bread out.",
        "A time relative to now.", _ACT, Expected(_ONCE, ("2026-03-11T09:50",)),
    ),
    Scenario(
        "architect-moved", "routing", "The meeting with the architect moves to 20 March, still at 14:00.",
        "A change of an existing entry; looking it up first is right too.",
        _ACT, Expected((Ability.UPDATE, Ability.LIST), ("2026-03-20T14:00",)),
    ),
    Scenario(
        "capital", "negative", "What is the capital of Portugal?",
        "A question that no tool can answer.", _SAY,
    ),
    Scenario(
        "milk", "negative", "I forgot to buy milk yesterday, silly me.",
        "Something in the past, without a request.", (*_SAY, *_ASK),
    ),
    Scenario(
        "rain", "negative", "Will it rain tomorrow afternoon?",
        "A question with a time that no tool can answer.", _SAY,
    ),
    Scenario(
        "sister", "negative", "My sister told me that she has to renew her passport next month.",
        "Someone else's duty; an offer is fine, an entry is not.", (*_SAY, *_ASK),
    ),
    Scenario(
        "plane", "implicit", "My plane leaves on 14 March at 6:45 and I must not oversleep.",
        "A reminder in the ten hours before is wanted but not requested.",
        (*_ACT, *_ASK), Expected(_ONCE, ("2026-03-14T06:45",), early=600),
    ),
    Scenario(
        "rent", "implicit", "The rent is due on the first of every month, and I keep forgetting it.",
        "A monthly reminder is wanted: on the first, or in the three days before.",
        (*_ACT, *_ASK), Expected(_AGAIN, cron="0 0 1 * *", early=4320, late=1439),
    ),
    Scenario(
        "swimming", "implicit", "My daughter has swimming on Tuesdays at 16:00, and I am the one who drives.",
        "A weekly reminder is wanted: at four, or in the two hours before.",
        (*_ACT, *_ASK), Expected(_AGAIN, cron="0 16 * * 2", early=120),
    ),
)  # fmt: skip
"""All scenarios, by category."""
