"""Binary outcomes: counts per arm, and exact tests that respect the blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from harness.model import Dataset
from harness.stats.beta import betaincinv
from harness.stats.between import claim_between
from harness.stats.personas import PersonaValues
from harness.stats.results import FIXED_SET, Estimate, Interval
from harness.stats.sign_flip import sign_flip


@dataclass(frozen=True, slots=True)
class Count:
    """``events`` out of ``of``. Prints as ``1 of 36``, so that no share lacks its denominator."""

    events: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.events <= self.of:
            raise ValueError(f"{self.events} of {self.of}: expected a count between 0 and its denominator")

    def __str__(self) -> str:
        return f"{self.events} of {self.of}"

    def __add__(self, other: Count) -> Count:
        return Count(self.events + other.events, self.of + other.of)

    @property
    def share(self) -> float | None:
        return self.events / self.of if self.of else None

    def interval(self, confidence: float = 0.95) -> Interval | None:
        """The exact interval of Clopper & Pearson (1934) for independent events; ``None`` for 0 of 0."""
        if not self.of:
            return None
        tail = (1 - confidence) / 2
        others = self.of - self.events
        low = betaincinv(self.events, others + 1, tail) if self.events else 0.0
        high = betaincinv(self.events + 1, others, 1 - tail) if others else 1.0
        return Interval(low, high, confidence)


@dataclass(frozen=True, slots=True)
class CountComparison:
    """One event in two arms. ``test`` is exact; ``note`` says when denominators differ or events are few."""

    event: str
    metric: str
    control: str
    treatment: str
    counts: tuple[Count, Count]
    test: Estimate
    note: str | None = None


FEW = 5
"""Fewer events in both arms together support no claim, whatever the p."""


LARGE = 1000
"""Trials beyond which binomial coefficients are taken in logarithms: whole ones have thousands of digits."""


def compare_counts(
    dataset: Dataset, metric: str, treatment: str, event: Callable[[float], bool], name: str
) -> CountComparison:
    """How often ``event`` holds of the values of ``metric`` in the first group and in ``treatment``.

    One value per trial: the stratified exact test. Values per person share trials, so the exact sign-flip test is run
    on the difference of shares in each block instead. Where each trial is one persona: `_of_personas`.
    """
    arms = (dataset.groups[0], treatment)
    blocks = _by_block(dataset, metric, arms, event)
    pairs = list(blocks.values())
    counts = _total(pairs)
    if dataset.individual:
        test = _of_personas(PersonaValues.of(dataset, metric, arms, lambda one: float(event(one))), blocks)
    elif any(one.person is not None for one in dataset.of(metric)):
        shares = [(pair[0].share, pair[1].share) for pair in pairs]
        test = sign_flip([two - one for one, two in shares if one is not None and two is not None])
    else:
        test = stratified(pairs)
    return CountComparison(name, metric, *arms, counts, test, count_note(counts))


def _of_personas(values: PersonaValues, blocks: Mapping[tuple[int, int], tuple[Count, Count]]) -> Estimate:
    """The exact test of one answer per persona: McNemar's (1947) within personas, Fisher's (1935) between.

    Personas who answer several times are compared by their shares. Weights are ignored.
    """
    units = values.units
    once = len({panel for panel, _ in blocks}) == len(blocks)
    once = once and all(count.of <= 1 for pair in blocks.values() for count in pair)
    if units.between and not once:
        return values.difference(0.95)
    if not once:
        return sign_flip([*values.differences.values()], unit=units.noun, estimand=units.own_claim)
    pairs = list(blocks.values())
    found = stratified([_total(pairs)] if units.between else pairs)
    return replace(
        found,
        method="Fisher's exact" if units.between else "McNemar's exact",
        unit=units.noun,
        estimand=claim_between(units) if units.between and not units.is_weighted else units.own_claim,
        n=found.n if units.between else found.n // 2,
    )


def _total(pairs: Sequence[tuple[Count, Count]]) -> tuple[Count, Count]:
    none = Count(0, 0)
    return sum((one for one, _ in pairs), none), sum((other for _, other in pairs), none)


def count_note(counts: Sequence[Count]) -> str | None:
    """Cautions about these counts; ``None`` if there are none."""
    notes = []
    if len({count.of for count in counts}) > 1:
        notes.append(f"denominators differ: {' and '.join(str(count.of) for count in counts)}")
    events = sum(count.events for count in counts)
    if events < FEW:
        total = sum(count.of for count in counts)
        notes.append(f"{events} event{'s' * (events != 1)} of {total}: too few to support a claim")
    return "; ".join(notes) or None


def stratified(blocks: Sequence[tuple[Count, Count]]) -> Estimate:
    """Exact conditional test of no difference in any block: Fisher's, with all margins of each block fixed.

    ``blocks`` are (control, treatment). The treatment's events are a sum of independent hypergeometric numbers
    (Gart 1970); the two-sided p sums the outcomes that are at most as likely as the observed one. ``difference`` is
    that of the shares, weighted as Mantel and Haenszel (1959) do.
    """
    kept = [pair for pair in blocks if pair[0].of and pair[1].of]
    asked = Estimate(
        "exact conditional, stratified by block", FIXED_SET, "trials", sum(a.of + b.of for a, b in kept)
    )
    if not kept:
        return _without(asked, "no block has both arms")
    informative = [pair for pair in kept if 0 < pair[0].events + pair[1].events < pair[0].of + pair[1].of]
    difference = _mantel_haenszel(kept)
    if not informative:
        return _without(asked, "events and non-events do not both occur", difference)
    law = _law(informative)
    lowest = sum(max(0, a.events + b.events - a.of) for a, b in informative)
    seen = law[sum(b.events for _, b in informative) - lowest]
    p = min(1.0, math.fsum(chance for chance in law if chance <= seen * (1 + 1e-7)))
    return replace(asked, difference=difference, p=p)


def _by_block(
    dataset: Dataset, metric: str, arms: tuple[str, str], event: Callable[[float], bool]
) -> dict[tuple[int, int], tuple[Count, Count]]:
    found = [one for arm in arms for one in dataset.of(metric, arm) if one.value is not None]
    counts: dict[tuple[int, int], dict[str, Count]] = {}
    none = Count(0, 0)
    for one in found:
        assert one.value is not None
        pair = counts.setdefault(one.block, {})
        pair[one.group] = pair.get(one.group, none) + Count(int(event(one.value)), 1)
    return {
        block: (pair.get(arms[0], none), pair.get(arms[1], none)) for block, pair in sorted(counts.items())
    }


def _law(blocks: Sequence[tuple[Count, Count]]) -> list[float]:
    """Probabilities of the sum of the other arms' events. Blocks of two trials with one event make it binomial."""
    single = sum(pair[0].of == pair[1].of == 1 for pair in blocks)
    others = [_hypergeometric(*pair) for pair in blocks if not pair[0].of == pair[1].of == 1]
    ways, binomial = 1, []
    for k in range(single + 1):
        binomial.append(ways / 2**single)
        ways = ways * (single - k) // (k + 1)
    return reduce(_convolved, [binomial, *others])


def _hypergeometric(one: Count, other: Count) -> list[float]:
    """Probabilities of each possible number of the other arm's events, from the smallest."""
    events = one.events + other.events
    possible = range(max(0, events - one.of), min(events, other.of) + 1)
    if one.of + other.of <= LARGE:
        every = math.comb(one.of + other.of, events)
        return [math.comb(other.of, k) * math.comb(one.of, events - k) / every for k in possible]
    whole = _log_comb(one.of + other.of, events)
    return [math.exp(_log_comb(other.of, k) + _log_comb(one.of, events - k) - whole) for k in possible]


def _log_comb(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _convolved(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """The law of the sum of two independent numbers, from the laws of both."""
    law = [0.0] * (len(one) + len(other) - 1)
    for first, chance in enumerate(one):
        for second, more in enumerate(other):
            law[first + second] += chance * more
    return law


def _mantel_haenszel(blocks: Sequence[tuple[Count, Count]]) -> float:
    weights = [a.of * b.of / (a.of + b.of) for a, b in blocks]
    differences = [b.events / b.of - a.events / a.of for a, b in blocks]
    return sum(w * d for w, d in zip(weights, differences, strict=True)) / sum(weights)


def _without(asked: Estimate, reason: str, difference: float | None = None) -> Estimate:
    return replace(asked, difference=difference, reason=reason)
