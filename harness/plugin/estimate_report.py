"""Format estimates as lines of at most 80 columns, and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from harness.gateway.prices import Price
from harness.gateway.retry import RetryPolicy
from harness.plugin.estimate import ANY_REPLY, REPLY_TOKENS, EstimatedCalls, ExperimentEstimate, GroupEstimate
from harness.plugin.hints import option
from harness.plugin.progress import thousands
from harness.runtime.plan import OWN

WIDTH = 80
LABEL = 20
COLUMN = 15
ACROSS = (WIDTH - LABEL) // COLUMN
"""Columns beside the labels."""
AGAIN = RetryPolicy().max_replies
"""Requests for one reply while the replies are unusable."""

HEAD = "ESTIMATE from a rehearsal: replies generated offline, nothing sent or paid."


def lines(estimate: ExperimentEstimate) -> Iterator[str]:
    """The table by group, then its assumptions."""
    yield HEAD
    yield from _wrapped(
        f"Engine {estimate.engine}, model {_models(estimate)}, mode {estimate.mode}, "
        f"{estimate.reps} rep{'s' * (estimate.reps != 1)}, seed {estimate.seed}."
    )
    for fault in estimate.faults:
        yield from _wrapped(f"INCOMPLETE: {fault}")
    columns = [*estimate.groups, *([estimate.total] if len(estimate.groups) > 1 else [])]
    for start in range(0, len(columns), ACROSS):
        yield from _table(columns[start : start + ACROSS])
    for note in notes(estimate):
        yield from _wrapped(note)


def _models(estimate: ExperimentEstimate) -> str:
    judge = "" if estimate.judge_model is None else f", judged by {estimate.judge_model}"
    return f"{estimate.model}{judge}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def _table(groups: Sequence[GroupEstimate]) -> Iterator[str]:
    kinds = sorted({kind for group in groups for kind in group.calls})
    yield _row("", [group.name for group in groups])
    yield _row("trials", [f"{group.trials:,}" for group in groups])
    yield _row("calls", [f"{group.rehearsed.calls:,}" for group in groups])
    for kind in kinds:
        yield _row(f"  {kind}", [f"{group.calls.get(kind, 0):,}" for group in groups])
    yield _row("tokens in", [thousands(group.rehearsed.tokens_in) for group in groups])
    yield _row("tokens out", [thousands(group.rehearsed.tokens_out) for group in groups])
    yield _row("price", [_price(group.rehearsed) for group in groups])
    if any(_has_batches(group) for group in groups):
        yield _row("  with batches", [_batched(group.rehearsed) for group in groups])
    yield _row("minutes", [_minutes(group.rehearsed) for group in groups])
    yield "least to most"
    shown = {"calls": _calls, "price": _price, "minutes": _minutes}
    if any(_has_batches(group) for group in groups):
        shown = {"calls": _calls, "price": _price, "with batches": _batched, "minutes": _minutes}
    for name, show in shown.items():
        yield _row(f"  {name}", [_between(show(group.least), show(group.most)) for group in groups])


def _row(label: str, cells: Iterable[str]) -> str:
    return f"{label:<{LABEL}}" + "".join(f"{cell:>{COLUMN}}" for cell in cells)


def _calls(amount: EstimatedCalls) -> str:
    return f"{amount.calls:,}" if amount.calls < 100_000 else thousands(amount.calls)


def _price(amount: EstimatedCalls) -> str:
    return "unknown" if amount.dollars is None else _dollars(amount.dollars)


def _batched(amount: EstimatedCalls) -> str:
    return "unknown" if amount.batched is None else _dollars(amount.batched)


def _has_batches(group: GroupEstimate) -> bool:
    """Whether batches would make any of its calls cheaper."""
    return group.most.batched != group.most.dollars


def _dollars(dollars: float) -> str:
    if 0 < dollars < 0.01:
        return "<$0.01"
    return f"${dollars:,.2f}" if dollars < 1000 else f"${dollars:,.0f}"


def _minutes(amount: EstimatedCalls) -> str:
    if 0 < amount.minutes < 0.1:
        return "<0.1"
    return f"{amount.minutes:,.1f}" if amount.minutes < 100 else f"{amount.minutes:,.0f}"


def _between(least: str, most: str) -> str:
    return least if least == most else f"{least}–{most}"


def notes(estimate: ExperimentEstimate) -> Iterator[str]:
    """The assumptions behind the figures, a sentence or two each."""
    if estimate.price_reason is not None:
        yield f"Price unknown: {estimate.price_reason}."
    known = {name: price for name, price in estimate.prices.items() if price is not None}
    if len(estimate.prices) > 1:
        listed = "; ".join(f"{name} {_listed(price)}" for name, price in known.items())
        yield f"Prices: {listed or 'none is known'}; no discount for cached prompts."
        for group in estimate.groups:
            calls = ", ".join(f"{number:,} to {name}" for name, number in group.models.items())
            yield f"{group.name}: calls {calls}."
    elif estimate.price is not None:
        yield f"Price: {_listed(estimate.price)}; no discount for cached prompts."
    if _has_batches(estimate.total):
        batch = option("batch")
        yield f"With batches ({batch}): calls that nothing waits for cost half, and take up to a day."
    yield "Tokens in: the rehearsed prompts' characters / 4; longer replies make later prompts longer."
    yield f"Tokens out are assumed, a call: {_assumed(estimate)}. Reasoning models write more."
    yield f"Minutes, at least: {_pace(estimate)}."
    ranged = estimate.total.least.calls < estimate.total.most.calls
    if ranged:
        yield (
            "Least to most: the range of calls that the play gives."
            if estimate.engine == OWN
            else "Least: no correction and no intervention; most: as many of both as allowed."
        )
    yield (
        f"An empty, truncated or malformed reply is requested again, up to {AGAIN - 1} times: in the worst case "
        f"{AGAIN} times {'the most' if ranged else 'as many'}, {AGAIN * estimate.total.most.calls:,} calls."
    )


def _listed(price: Price) -> str:
    listed = f" as listed on {price.as_of}" if price.as_of else f" in {price.source}" if price.source else ""
    return f"${price.input:g} per million tokens in, ${price.output:g} out{listed}"


def _assumed(estimate: ExperimentEstimate) -> str:
    kinds = [kind for kind in estimate.total.calls if kind != "embedding"]
    return ", ".join(f"{kind} {REPLY_TOKENS.get(kind, ANY_REPLY)}" for kind in kinds) or "none"


def _pace(estimate: ExperimentEstimate) -> str:
    pace = estimate.pace
    limits = [f"{limit:,} {name}" for name in ("rpm", "tpm") if (limit := getattr(pace, name)) is not None]
    at_most = f" within {' and '.join(limits)}" if limits else ""
    return f"up to {pace.lanes:,} calls in flight, {pace.seconds:g} s each (assumed){at_most}"


def as_json(estimates: Sequence[ExperimentEstimate]) -> dict[str, Any]:
    """Estimates as JSON data. An unknown price is null, and ``price_reason`` says why."""
    return {"basis": HEAD, "estimates": [_one(estimate) for estimate in estimates]}


def _one(estimate: ExperimentEstimate) -> dict[str, Any]:
    return {
        **asdict(estimate),
        "reply_tokens": {kind: REPLY_TOKENS.get(kind, ANY_REPLY) for kind in estimate.total.calls},
        "asked_again_at_most": AGAIN - 1,
        "notes": list(notes(estimate)),
    }
