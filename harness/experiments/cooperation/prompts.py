"""The agents' prompts. The text of a condition appears in one place of the first message, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.experiments.cooperation.rates import percent
from harness.experiments.cooperation.rules import Choice, GameRules
from harness.experiments.cooperation.society import OptionNames
from harness.gateway.calls import Message

MAX_WORDS = 100
"""The length of a strategy, in words."""

_WEIGHTS = {
    "opponent_ratio": "Your points of a game are multiplied by the other player's power divided by your own.",
    "none": "Power does not change the points of a game.",
    "log": "Your points of a game are multiplied by the natural logarithm of your power divided by 100.",
}
NO_STRATEGY = "(you wrote none)"


@dataclass(frozen=True, slots=True)
class PastRound:
    """One agent's view of a finished round: (cooperations, decisions) of itself, its opponents and all players."""

    number: int
    own: tuple[int, int]
    others: tuple[int, int]
    everyone: tuple[int, int]
    score: float
    mean_score: float


def rules_text(rules: GameRules, agents: int, rounds: int, options: OptionNames) -> str:
    """Explain the game to an agent, in terms of its ``options``."""
    return "\n".join(
        (
            f"You are one of {agents} players. There are {rounds} rounds; in each, every player plays one game with "
            "every other player. In a game both choose at the same time, without talking to each other.",
            *_payoffs(rules, options),
            f"Every player has a power between {rules.least:g} and {rules.most:g}. {_WEIGHTS[rules.power_rule]} "
            "After a round, power rises for those whose average points per game, before any multiplication, were above "
            "the average of all players, and falls for those below.",
            "In each round you first write down your strategy; then you learn the powers and choose in each game. "
            "Players have different names in every round.",
        )
    )


def _payoffs(rules: GameRules, options: OptionNames) -> Iterable[str]:
    for own in options.names:
        for other in options.names:
            first, second = rules.payoffs[options.choice(own) + options.choice(other)]
            yield f"You choose {own}, the other {other}: {first:g} points for you, {second:g} for the other."


def system_message(rules: GameRules, agents: int, rounds: int, options: OptionNames, told: str) -> Message:
    """The rules, followed by the text of the condition, if any."""
    text = rules_text(rules, agents, rounds, options)
    return {"role": "system", "content": f"{text}\n{told}" if told else text}


def strategy_message(number: int, rounds: int, options: OptionNames, past: Sequence[PastRound]) -> Message:
    """Ask for a strategy, with the results of earlier rounds but without powers."""
    history = [_line(one, options) for one in past] or ["No round has been played yet."]
    asked = f"Write down your strategy for this round in at most {MAX_WORDS} words."
    return {"role": "user", "content": "\n".join((f"Round {number} of {rounds}.", *history, asked))}


def _line(past: PastRound, options: OptionNames) -> str:
    word = options.cooperate
    return (
        f"In round {past.number} you chose {word} in {percent(*past.own)} of your games and the others chose it in "
        f"{percent(*past.others)} of their games with you; over all games the rate was {percent(*past.everyone)}. "
        f"Your score was {past.score:.1f}, the average {past.mean_score:.1f}."
    )


def decision_message(
    number: int,
    rounds: int,
    options: OptionNames,
    strategy: str | None,
    opponent: str,
    own_power: float,
    other_power: float,
) -> Message:
    """Ask for one choice, and reveal both powers."""
    lines = (
        f"Round {number} of {rounds}. Your strategy for this round: {strategy or NO_STRATEGY}",
        f"You now play {opponent}. Your power is {own_power:.1f}, the power of {opponent} is {other_power:.1f}.",
        f"Answer with one word: {options.names[0]} or {options.names[1]}",
    )
    return {"role": "user", "content": "\n".join(lines)}


def all_told(rules: GameRules, conditions: Iterable[str]) -> list[str]:
    """Every prompt text of any group, with sample numbers and names."""
    options = OptionNames(("ONE", "OTHER"), "ONE")
    past = PastRound(1, (1, 2), (1, 2), (1, 2), 0.0, 0.0)
    messages = (
        system_message(rules, 2, 2, options, ""),
        strategy_message(2, 2, options, [past]),
        decision_message(2, 2, options, None, "Player 100", rules.least, rules.most),
    )
    return [*(str(message["content"]) for message in messages), *conditions]


def choice_in(text: str, options: OptionNames) -> Choice | None:
    """The choice that ``text`` consists of, ignoring case, quotes and punctuation."""
    said = text.strip().strip("\"'`*_.,:;!?()[]{}<>„“”‘’«» \n\t").casefold()
    return next((options.choice(name) for name in options.names if said == name.casefold()), None)


def plainly(text: str, options: OptionNames) -> str:
    """``text`` with the same option names for all agents, so that strategies can be compared."""
    import re

    names = {options.cooperate.casefold(): "cooperate", options.defect.casefold(): "defect"}
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b", re.IGNORECASE)
    return pattern.sub(lambda found: names[found[0].casefold()], text)
