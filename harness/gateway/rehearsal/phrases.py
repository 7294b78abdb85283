"""The rehearsal model's words: plain, harmless, and never mistaken for a result."""

from __future__ import annotations

import zlib
from random import Random

_OPENERS = (
    "Let me be plain:",
    "From where I stand,",
    "I have slept on this, and",
    "Speaking for myself,",
    "In my line of work,",
    "With respect to everyone here,",
    "I keep coming back to one thing:",
    "To put it bluntly,",
    "If I may,",
    "As I see it,",
    "You may disagree, but",
    "My experience says that",
    "Honestly,",
    "I will say it slowly:",
    "For what it is worth,",
    "Before anything else,",
)
_SUBJECTS = (
    "the people who queue for it",
    "my neighbours",
    "small shops",
    "families on a budget",
    "people who work nights",
    "first-time users",
    "those who travel for work",
    "the ones who never complain",
    "teachers and nurses",
    "everyone past sixty",
    "whoever has to maintain it",
    "newcomers in town",
)
_NEEDS = (
    "lose an hour a day to small hindrances",
    "want fewer screens, not more",
    "pay for things they cannot see",
    "would rather share than own",
    "need an answer in one minute",
    "have stopped trusting long promises",
    "ask for something that can be repaired",
    "are tired of filling in the same form twice",
    "care about the cost at the end of the month",
    "have never been asked before",
    "know the trouble better than any expert",
    "will judge it by the first week",
)
_TURNS = (
    "so we should begin there",
    "and that decides it for me",
    "which nobody has mentioned yet",
    "and I can give three examples",
    "so I would test it small",
    "and the rest can wait",
    "which is why I am careful",
    "and the numbers are on my side",
    "so let us not hurry past it",
    "and I would sign my name to it",
)
_FIRST = ("Lantern", "Harbour", "Pocket", "Second", "Quiet", "Open", "Common", "Early", "Copper", "North")
_SECOND = ("Desk", "Kitchen", "Route", "Ledger", "Garden", "Signal", "Bench", "Market", "Window", "Bridge")
_FOR = (
    "it would widen who can take part",
    "it rewards people for what they already do well",
    "it costs less than waiting",
    "it has worked where it was tried in earnest",
    "it leaves the choice with those concerned",
)
_AGAINST = (
    "it moves the burden to people who cannot carry it",
    "nobody has said who would pay in ten years",
    "it takes away a freedom that will not come back",
    "it mends a thing that is not broken",
    "the promised gains rest on a guess",
)
IDEAS = len(_FIRST) * len(_SECOND)
"""How many different idea names there are."""


def opener(name: str, rng: Random) -> str:
    """How a person begins to speak: by their name, so that no two sound alike; without one, by chance."""
    return _OPENERS[zlib.crc32(name.encode()) % len(_OPENERS)] if name else rng.choice(_OPENERS)


def sentence(rng: Random) -> str:
    """One sentence out of some 1,400, with a number that makes repetition rarer still."""
    share = rng.randrange(11, 90)
    return (
        f"{rng.choice(_SUBJECTS)} {rng.choice(_NEEDS)}, perhaps {share} in a hundred, {rng.choice(_TURNS)}."
    )


def capitalised(text: str) -> str:
    """``text`` with its first letter capitalised."""
    return text[:1].upper() + text[1:]


def idea_name(number: int) -> str:
    """The name of idea ``number``, counted from 0; `IDEAS` of them."""
    return f"{_FIRST[number % len(_FIRST)]} {_SECOND[number // len(_FIRST) % len(_SECOND)]}"


def argument(rng: Random, *, favour: bool) -> str:
    """One argument for or against whatever is discussed."""
    return rng.choice(_FOR if favour else _AGAINST)
