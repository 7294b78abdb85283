"""What an experiment will take, worked out from the calls of its rehearsal: tokens, dollars and minutes, and ranges.

What a rehearsal cannot know is assumed, and said: `REPLY_TOKENS`, and the seconds that a call takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.gateway.calls import Reply
from harness.gateway.prices import Overrides, Price, charged, price_of

REPLY_TOKENS: Mapping[str, int] = {
    "act": 250,
    "combine": 250,
    "consolidate": 500,
    "decision": 10,
    "embedding": 0,
    "extract": 600,
    "intervention_check": 80,
    "minibio": 150,
    "quality_check": 120,
    "regenerate": 250,
    "score_panel": 120,
    "score_person": 120,
    "strategy": 150,
}
"""Tokens of a reply by kind of call, assumed: the rehearsal's own replies are made up, and shorter than a model's.
A turn is taken for a paragraph or two and its JSON, a score for a short justification, an extraction for ten items,
a decision for one word, a strategy for a hundred."""
ANY_REPLY = 250
"""The same for a kind that is not listed."""

NO_MODEL = "no model was named; name one, such as --model openai:gpt-4o-mini"


@dataclass(slots=True)
class Taken:
    """What the calls of one kind took in a rehearsal.

    ``largest`` is the longest prompt, in tokens. ``model`` is who was asked where that is not the model under study:
    embeddings have one of their own.
    """

    calls: int = 0
    tokens_in: int = 0
    largest: int = 0
    model: str = ""

    def add(self, tokens_in: int, model: str = "") -> None:
        """Count one call."""
        self.calls += 1
        self.tokens_in += tokens_in
        self.largest = max(self.largest, tokens_in)
        self.model = model or self.model


TakenByKind = Mapping[str, Taken]


@dataclass(frozen=True, slots=True)
class EstimatedCalls:
    """So many calls, and what they take. ``dollars`` is ``None`` where a price is not known."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float | None = 0.0
    minutes: float = 0.0

    def __add__(self, other: EstimatedCalls) -> EstimatedCalls:
        """Both, in turn."""
        dollars = None if self.dollars is None or other.dollars is None else self.dollars + other.dollars
        return EstimatedCalls(
            self.calls + other.calls,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            dollars,
            self.minutes + other.minutes,
        )


@dataclass(frozen=True, slots=True)
class GroupEstimate:
    """One arm, or all together: calls by kind as rehearsed, what they take, and the range about that.

    ``least``: no turn is sent back. ``most``: every turn is, as often as the correction allows.
    """

    name: str
    trials: int
    calls: Mapping[str, int]
    rehearsed: EstimatedCalls
    least: EstimatedCalls
    most: EstimatedCalls


@dataclass(frozen=True, slots=True)
class ExperimentEstimate:
    """One experiment. ``price_reason`` is why there is no price, ``faults`` why the estimate is not whole."""

    experiment: str
    mode: str
    reps: int
    engine: str
    model: str
    seed: int
    pace: CallPace
    groups: tuple[GroupEstimate, ...]
    total: GroupEstimate
    price: Price | None
    price_reason: str | None
    faults: tuple[str, ...] = ()
    judge_model: str | None = None
    judge_price: Price | None = None


@dataclass(frozen=True, slots=True)
class CallPace:
    """How fast calls may go: ``lanes`` in flight at a time, each for ``seconds``, within the limits per minute."""

    lanes: int
    seconds: float
    rpm: int | None = None
    tpm: int | None = None

    def minutes(self, calls: int, tokens: int) -> float:
        """Minutes that they take at least: the narrowest of the three decides."""
        waits = [calls * self.seconds / 60 / max(self.lanes, 1)]
        waits += [calls / self.rpm] if self.rpm else []
        waits += [tokens / self.tpm] if self.tpm else []
        return max(waits)


class PriceEstimate:
    """Prices calls to ``model`` as listed, without a discount for cached prompts; ``reason`` is why it cannot."""

    def __init__(self, model: str, overrides: Overrides, taken: Iterable[Taken]) -> None:
        largest: dict[str, int] = {model: 1}
        for one in taken:
            name = one.model or model
            largest[name] = max(largest.get(name, 1), one.largest)
        self.model = model
        self._prices = {
            name: Price(0.0, 0.0) if self._is_free(name) else price_of(name, overrides) for name in largest
        }
        reasons = [self._reason(name, tokens, overrides) for name, tokens in largest.items()]
        self.reason = next((reason for reason in reasons if reason is not None), None)

    def _is_free(self, name: str) -> bool:
        """Whether it is a judge that was asked for in earnest, and costs nothing."""
        return name != self.model and name.partition(":")[0] == "rehearsal"

    def _reason(self, name: str, tokens: int, overrides: Overrides) -> str | None:
        if self._is_free(name):
            return None
        if name.partition(":")[0] == "rehearsal":
            return NO_MODEL
        return charged(Reply("", model=name, tokens_in=tokens), name, overrides).cost_reason

    @property
    def price(self) -> Price | None:
        """Of the model under study."""
        return self._prices[self.model]

    def price_of(self, model: str) -> Price | None:
        """Of one that was asked for something; ``None`` where it is not known, or was asked for nothing."""
        return self._prices.get(model)

    def dollars(self, like: Taken, tokens_in: int, tokens_out: int) -> float | None:
        """What calls ``like`` these cost."""
        price = self._prices.get(like.model or self.model)
        return None if self.reason or price is None else price.cost(tokens_in, tokens_out)


def estimate_group(
    name: str,
    trials: int,
    taken: TakenByKind,
    formula: tuple[Counter[str], Counter[str]],
    bill: PriceEstimate,
    pace: CallPace,
) -> GroupEstimate:
    """An arm of ``trials`` trials, from what its rehearsal took and the least and most calls by the formula."""
    calls = Counter({kind: taken[kind].calls for kind in sorted(taken)})
    least, most = formula
    unknown = Counter({kind: number for kind, number in calls.items() if kind not in most})
    # Some formulas are approximations: what was rehearsed is within the range all the same.
    range_ = ((calls & least) | unknown, calls | most)
    rehearsed, low, high = (_amount(counted, taken, bill, pace) for counted in (calls, *range_))
    return GroupEstimate(name, trials, dict(calls), rehearsed, low, high)


def _amount(
    calls: Mapping[str, int], taken: TakenByKind, bill: PriceEstimate, pace: CallPace
) -> EstimatedCalls:
    """What ``calls`` take where each is as long as those of its kind were in the rehearsal."""
    total = EstimatedCalls()
    for kind, number in sorted(calls.items()):
        like = taken.get(kind) or (taken.get("act") if kind == "regenerate" else None) or Taken()
        read = round(number * like.tokens_in / max(like.calls, 1))
        written = number * REPLY_TOKENS.get(kind, ANY_REPLY)
        total += EstimatedCalls(number, read, written, bill.dollars(like, read, written))
    return _timed(total, pace)


def _timed(amount: EstimatedCalls, pace: CallPace) -> EstimatedCalls:
    return replace(amount, minutes=pace.minutes(amount.calls, amount.tokens_in + amount.tokens_out))


def all_together(groups: Sequence[GroupEstimate], pace: CallPace) -> GroupEstimate:
    """The sum of the groups, which run side by side."""
    calls: Counter[str] = Counter()
    for group in groups:
        calls.update(group.calls)
    amounts = (
        _timed(sum((getattr(group, name) for group in groups), EstimatedCalls()), pace)
        for name in ("rehearsed", "least", "most")
    )
    return GroupEstimate(
        "total", sum(group.trials for group in groups), dict(sorted(calls.items())), *amounts
    )
