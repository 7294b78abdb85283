"""Estimate the tokens, dollars and minutes of an experiment from the calls of its rehearsal.

A rehearsal cannot know the length of replies (`REPLY_TOKENS`) and the seconds of a call: both are assumed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.gateway.batch.api import BATCH_PROVIDERS, BATCH_SHARE
from harness.gateway.calls import Reply
from harness.gateway.prices import Overrides, Price, charged, price_of

REPLY_TOKENS: Mapping[str, int] = {
    "act": 250,
    "combine": 250,
    "compare": 80,
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
"""Assumed tokens of a reply by call kind: rehearsed replies are shorter than a model's. A turn has a paragraph or two,
a score a short justification, an extraction ten items, a decision one word, a strategy a hundred."""
ANY_REPLY = 250
"""The same for other kinds."""

NO_MODEL = "no model was named; name one, such as --model openai:gpt-4o-mini"


@dataclass(slots=True)
class Taken:
    """The rehearsed calls of one kind. ``largest`` is the longest prompt, in tokens.

    ``models`` counts them by model; an empty name is the session's model. ``waiting`` counts those that can wait for a
    batch.
    """

    calls: int = 0
    tokens_in: int = 0
    largest: int = 0
    models: Counter[str] = field(default_factory=Counter)
    waiting: int = 0

    def add(self, tokens_in: int, model: str = "", *, can_wait: bool = False) -> None:
        """Count one call."""
        self.calls += 1
        self.waiting += can_wait
        self.tokens_in += tokens_in
        self.largest = max(self.largest, tokens_in)
        self.models[model] += 1

    def join(self, other: Taken) -> None:
        """Count the calls of ``other`` too."""
        self.calls += other.calls
        self.waiting += other.waiting
        self.tokens_in += other.tokens_in
        self.largest = max(self.largest, other.largest)
        self.models.update(other.models)


TakenByKind = Mapping[str, Taken]


@dataclass(frozen=True, slots=True)
class EstimatedCalls:
    """A number of calls with their tokens, price and time.

    ``batched`` is the price where calls that can wait go in batches. Both are ``None`` where a price is unknown.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float | None = 0.0
    minutes: float = 0.0
    batched: float | None = 0.0

    def __add__(self, other: EstimatedCalls) -> EstimatedCalls:
        dollars = None if self.dollars is None or other.dollars is None else self.dollars + other.dollars
        batched = None if self.batched is None or other.batched is None else self.batched + other.batched
        return EstimatedCalls(
            self.calls + other.calls,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            dollars,
            self.minutes + other.minutes,
            batched,
        )


@dataclass(frozen=True, slots=True)
class GroupEstimate:
    """One arm, or all of them: rehearsed calls by kind, their estimate, and its range.

    ``least``: no turn is sent back. ``most``: every turn is, as often as the correction allows. ``models`` counts the
    rehearsed calls by model.
    """

    name: str
    trials: int
    calls: Mapping[str, int]
    rehearsed: EstimatedCalls
    least: EstimatedCalls
    most: EstimatedCalls
    models: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExperimentEstimate:
    """One experiment. ``price_reason`` says why the price is unknown, ``faults`` why the estimate is incomplete."""

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
    prices: Mapping[str, Price | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallPace:
    """How fast calls run: ``lanes`` at a time, each for ``seconds``, within the limits per minute."""

    lanes: int
    seconds: float
    rpm: int | None = None
    tpm: int | None = None

    def minutes(self, calls: int, tokens: int) -> float:
        """The least minutes: the tightest of the three limits decides."""
        waits = [calls * self.seconds / 60 / max(self.lanes, 1)]
        waits += [calls / self.rpm] if self.rpm else []
        waits += [tokens / self.tpm] if self.tpm else []
        return max(waits)


class PriceEstimate:
    """List prices of calls to ``model`` and to others, without a discount for cached prompts.

    ``prices`` has that of each model, ``reason`` says why some are unknown.
    """

    def __init__(self, model: str, overrides: Overrides, taken: Iterable[Taken]) -> None:
        taken = list(taken)
        largest: dict[str, int] = {} if any(one.models for one in taken) else {model: 1}
        for one in taken:
            for name in one.models:
                largest[name or model] = max(largest.get(name or model, 1), one.largest)
        self.model = model
        reasons = {name: self._reason(name, tokens, overrides) for name, tokens in largest.items()}
        self.prices = {
            name: None
            if reasons[name]
            else Price(0.0, 0.0)
            if self._is_free(name)
            else price_of(name, overrides)
            for name in largest
        }
        self.reason = "; ".join(filter(None, dict.fromkeys(reasons.values()))) or None

    def _is_free(self, name: str) -> bool:
        """Whether it is a model on this machine, or a rehearsal judge, which cost nothing."""
        provider = name.partition(":")[0]
        return provider == "local" or (name != self.model and provider == "rehearsal")

    def _reason(self, name: str, tokens: int, overrides: Overrides) -> str | None:
        if self._is_free(name):
            return None
        if name.partition(":")[0] == "rehearsal":
            return NO_MODEL
        return charged(Reply("", model=name, tokens_in=tokens), name, overrides).cost_reason

    @property
    def price(self) -> Price | None:
        """The price of the model under study."""
        return self.prices.get(self.model)

    def dollars(
        self, like: Taken, tokens_in: int, tokens_out: int
    ) -> tuple[float, float] | tuple[None, None]:
        """The cost of calls ``like`` these, without and with batches; ``None`` where a model's price is not known."""
        dollars, batched, calls = 0.0, 0.0, max(like.models.total(), 1)
        for name, number in (like.models or {"": 1}).items():
            model = name or self.model
            price = self.prices.get(model)
            if price is None:
                return None, None
            cost = price.cost(tokens_in, tokens_out) * number / calls
            waiting = like.waiting / max(like.calls, 1) if model.partition(":")[0] in BATCH_PROVIDERS else 0.0
            dollars += cost
            batched += cost * (1 - waiting * (1 - BATCH_SHARE))
        return dollars, batched


def estimate_group(
    name: str,
    trials: int,
    taken: TakenByKind,
    formula: tuple[Counter[str], Counter[str]],
    bill: PriceEstimate,
    pace: CallPace,
) -> GroupEstimate:
    """Estimate an arm of ``trials`` trials from its rehearsed calls and the least and most calls by the formula."""
    calls = Counter({kind: taken[kind].calls for kind in sorted(taken)})
    least, most = formula
    unknown = Counter({kind: number for kind, number in calls.items() if kind not in most})
    # Some formulas are approximations: the range always includes the rehearsed calls.
    range_ = ((calls & least) | unknown, calls | most)
    rehearsed, low, high = (_amount(counted, taken, bill, pace) for counted in (calls, *range_))
    models = sum((one.models for one in taken.values()), Counter[str]())
    named = {one or bill.model: number for one, number in sorted(models.items())}
    return GroupEstimate(name, trials, dict(calls), rehearsed, low, high, named)


def _amount(
    calls: Mapping[str, int], taken: TakenByKind, bill: PriceEstimate, pace: CallPace
) -> EstimatedCalls:
    """Estimate ``calls`` as long as those of their kind in the rehearsal."""
    total = EstimatedCalls()
    usual = max(taken.values(), key=lambda one: one.calls, default=Taken()).models
    for kind, number in sorted(calls.items()):
        like = taken.get(kind) or (taken.get("act") if kind == "regenerate" else None) or Taken(models=usual)
        read = round(number * like.tokens_in / max(like.calls, 1))
        written = number * REPLY_TOKENS.get(kind, ANY_REPLY)
        dollars, batched = bill.dollars(like, read, written)
        total += EstimatedCalls(number, read, written, dollars, batched=batched)
    return _timed(total, pace)


def _timed(amount: EstimatedCalls, pace: CallPace) -> EstimatedCalls:
    return replace(amount, minutes=pace.minutes(amount.calls, amount.tokens_in + amount.tokens_out))


def all_together(groups: Sequence[GroupEstimate], pace: CallPace) -> GroupEstimate:
    """Add up the groups, which run concurrently."""
    calls, models = Counter[str](), Counter[str]()
    for group in groups:
        calls.update(group.calls)
        models.update(group.models)
    rehearsed, least, most = (
        _timed(sum((getattr(group, name) for group in groups), EstimatedCalls()), pace)
        for name in ("rehearsed", "least", "most")
    )
    trials = sum(group.trials for group in groups)
    return GroupEstimate("total", trials, dict(sorted(calls.items())), rehearsed, least, most, dict(models))
