"""Indicators of a whole game, each with its definition, counts, and a reason if undefined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from harness.experiments.cooperation.rounds import Round, Side, cooperation, share
from harness.experiments.cooperation.similarity import mean_similarity
from harness.experiments.cooperation.wording import not_given, says

UNEQUAL = 10.0
"""The smallest difference of power in a game between unequal players."""

IDENTITY = (
    "identical", "the same model", "same model", "same mind", "same reasoning", "same algorithm", "same decision",
    "copy", "copies", "clone", "clones", "twin", "twins", "mirror", "mirrors", "think alike", "reason alike",
    "think like me", "reason like me", "decide like me", "choose like me", "one of us", "my other selves",
    "correlated", "superrational", "superrationality", "acausal", "acausally",
)  # fmt: skip
SURPRISE = (
    "surprise", "surprised", "surprising", "surprisingly", "unexpected", "unexpectedly", "shocked", "shocking",
    "astonished", "betrayed", "betrayal", "disappointed", "disappointing", "did not expect", "didn't expect",
    "had not expected", "hadn't expected", "contrary to my expectations",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Indicator:
    """``value`` is ``None`` exactly when ``reason`` says why. A rate has its counts, ``events`` of ``of``."""

    definition: str
    value: float | None
    reason: str | None = None
    events: int | None = None
    of: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def rate(definition: str, events: int, of: int, without: str, **more: Any) -> Indicator:
    """A share; ``without`` is the reason if ``of`` is 0."""
    return Indicator(definition, share(events, of), None if of else without, events, of, more)


def despite_asymmetry(rounds: Sequence[Round], _given: Sequence[str]) -> Indicator:
    """Cooperation in games between unequal players."""
    unequal = [
        side for one in rounds for side in one.sides() if abs(side.power - side.other_power) >= UNEQUAL
    ]
    weaker = cooperation(side for side in unequal if side.power < side.other_power)
    stronger = cooperation(side for side in unequal if side.power > side.other_power)
    return rate(
        f"share of cooperation among the decisions obtained in games whose players' powers differ by {UNEQUAL:g} or "
        "more",
        *cooperation(unequal),
        without="no decision was obtained in such a game",
        weaker=list(weaker),
        stronger=list(stronger),
    )


def convergence(rounds: Sequence[Round], _given: Sequence[str]) -> Indicator:
    """Whether strategies become more alike."""
    definition = (
        "mean TF-IDF cosine of the strategies of the last round minus that of the first; above 0: more alike"
    )
    if len(rounds) < 2:
        return Indicator(definition, None, f"{len(rounds)} rounds; needs at least two")
    first, last = (mean_similarity(_plain(one)) for one in (rounds[0], rounds[-1]))
    if first is None or last is None:
        which = "first" if first is None else "last"
        return Indicator(definition, None, f"the {which} round has fewer than two strategies with words")
    return Indicator(definition, last - first, more={"first": first, "last": last})


def identity_reasoning(rounds: Sequence[Round], given: Sequence[str]) -> Indicator:
    """Whether strategies argue from being alike."""
    expressions = not_given(IDENTITY, given)
    texts = [text for one in rounds for text in _plain(one)]
    return rate(
        "share of strategies with an expression of identity that is not negated and occurs in no group's prompts",
        sum(says(text, expressions) for text in texts),
        len(texts),
        without="no strategy was obtained",
        expressions=len(expressions),
        expressions_in_prompts=sorted(set(IDENTITY) - set(expressions)),
    )


def surprise_at_defection(rounds: Sequence[Round], given: Sequence[str]) -> Indicator:
    """Whether exploited agents express surprise, compared with the others."""
    expressions = not_given(SURPRISE, given)
    exploited: list[bool] = []
    others: list[bool] = []
    for before, after in pairwise(rounds):
        for agent, strategy in enumerate(after.strategies):
            if strategy.plain is not None:
                where = exploited if any(map(_exploited, before.sides(agent))) else others
                where.append(says(strategy.plain, expressions))
    return rate(
        "share of strategies with an expression of surprise that is not negated and occurs in no prompt, among those "
        "written after a round in which the agent cooperated with a defector",
        sum(exploited),
        len(exploited),
        without="no strategy was written after cooperating with a defector",
        others=[sum(others), len(others)],
    )


def _exploited(side: Side) -> bool:
    return side.choice == "C" and side.other == "D"


def _plain(played: Round) -> list[str]:
    return [one.plain for one in played.strategies if one.plain is not None]


INDICATORS: Mapping[str, Callable[[Sequence[Round], Sequence[str]], Indicator]] = {
    "cooperation_despite_asymmetry": despite_asymmetry,
    "strategy_convergence": convergence,
    "identity_reasoning": identity_reasoning,
    "surprise_at_defection": surprise_at_defection,
}


def indicators(
    rounds: Sequence[Round], given: Sequence[str], log: Callable[[str, Exception], None]
) -> dict[str, dict[str, Any]]:
    """All `INDICATORS` of a game as plain data; ``given`` are the prompts of all groups.

    If one fails, the error goes to ``log`` and becomes its reason; the others are unaffected (F25).
    """
    return {name: asdict(one) for name, one in _made(rounds, given, log)}


def _made(
    rounds: Sequence[Round], given: Sequence[str], log: Callable[[str, Exception], None]
) -> Iterator[tuple[str, Indicator]]:
    for name, make in INDICATORS.items():
        try:
            yield name, make(rounds, given)
        except Exception as error:
            log(f"indicator {name}", error)
            yield name, Indicator("", None, f"could not be computed: {type(error).__name__}: {error}")
