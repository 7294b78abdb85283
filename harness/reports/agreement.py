"""Whether a new result agrees with an earlier one: a verdict per metric, and its basis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from operator import itemgetter
from typing import Any

from harness.model import Dataset
from harness.reports.numbers import NONE, interval_head, signed, span, whole
from harness.reports.parts import REHEARSAL, Heading, Items, Part, Table, grouped
from harness.stats import ConsistencyVerdict
from harness.stats.consistency import REPRODUCED
from harness.stats.results import Estimate


def agreement_parts(
    verdicts: Sequence[ConsistencyVerdict], new: Dataset, original: Dataset
) -> Iterator[Part]:
    """The verdicts on one experiment, for all of its metrics that both datasets have."""
    yield Heading(f"{new.experiment}: is it consistent with the earlier result?")
    yield f"New: {new.source}. Original: {original.source}."
    if new.rehearsal or original.rehearsal:
        yield REHEARSAL
    if unread := [*new.unread, *original.unread]:
        yield Items(tuple(unread))
    if not verdicts:
        yield (
            f"No metric in common: new has {', '.join(new.metrics)}; original has {', '.join(original.metrics)}."
        )
        return
    yield _rule(verdicts[0])
    several = len({one.treatment for one in verdicts}) > 1
    head = interval_head(one.difference.interval for one in verdicts)
    yield Table(
        ("metric", "verdict", "new", "orig.", "D", head, "trials"),
        tuple(_row(one, several=several) for one in verdicts),
        left=2,
    )
    yield _COLUMNS
    yield Items(tuple(_together(_reasons(verdicts), len(verdicts))))
    if any(one.verdict not in (None, REPRODUCED) for one in verdicts):
        yield from _context(verdicts)
    yield Items(tuple(_units(verdicts)))


def _context(verdicts: Sequence[ConsistencyVerdict]) -> Iterator[Part]:
    yield Heading("Context, not part of the verdicts", 2)
    yield Table(
        ("metric", "expected from the original", "new", "d33", "below d33"),
        tuple(_context_row(one) for one in verdicts),
    )
    yield Items((_EXPECTED, _D33))


def agreement_json(verdicts: Sequence[ConsistencyVerdict], new: Dataset, original: Dataset) -> dict[str, Any]:
    """The verdicts as plain values, with the sources compared."""
    return {
        "experiment": new.experiment,
        "new": new.source,
        "original": original.source,
        "rehearsal": new.rehearsal or original.rehearsal,
        "verdicts": [asdict(one) for one in verdicts],
    }


_COLUMNS = (
    "D: new − original effect. trials: new trials per arm needed for a decision at this D; "
    "– where none are needed or the number is unknown."
)
_EXPECTED = (
    "Expected: 95 % prediction interval of the new effect, given the original. Both are uncertain, so a new effect "
    "inside it does not confirm the original."
)
_D33 = "d33: the effect that the original had a power of one third to find (small telescopes)."


def _rule(one: ConsistencyVerdict) -> str:
    return (
        f"δ = {one.delta:g} points, set beforehand. consistent: the 90 % CI of D lies inside ±δ and the signs agree "
        "(original null: the 90 % CI of the new effect inside ±δ); inconsistent: the 95 % CI of D lies wholly outside "
        "±δ; else inconclusive. Intervals in the table are unadjusted; verdicts are adjusted for their number, "
        f"{one.verdicts}."
    )


def _row(one: ConsistencyVerdict, *, several: bool) -> tuple[str, ...]:
    repeated = one.verdict == REPRODUCED
    return (
        f"{one.metric}, {one.treatment}" if several else one.metric,
        one.verdict or "undefined",
        signed(one.new.difference),
        signed(one.original.difference),
        NONE if repeated else signed(one.difference.value),
        NONE if repeated else span(one.difference.interval),
        whole(one.trials_needed.value if one.verdict == "inconclusive" else None),
    )


def _reasons(verdicts: Sequence[ConsistencyVerdict]) -> Iterator[tuple[str, str]]:
    """Metric and sentence."""
    for one in verdicts:
        alone = (
            "" if one.unadjusted == one.verdict else f" (alone it would be {one.unadjusted or 'undefined'})"
        )
        yield one.metric, f"{one.verdict or 'undefined'}{alone}: {one.reason or 'no reason given'}"
    for one in verdicts:
        needed = one.trials_needed
        if one.verdict == "inconclusive" and needed.value is None:
            yield one.metric, f"trials needed are not known: {needed.reason or 'no reason given'}"
    for one in verdicts:
        yield from ((one.metric, note) for note in one.notes)


def _together(sentences: Iterable[tuple[str, str]], all_of_them: int) -> Iterator[str]:
    """Each sentence once, with its metrics."""
    for same in grouped(sentences, itemgetter(1)):
        metrics = "all metrics" if len(same) == all_of_them > 1 else ", ".join(metric for metric, _ in same)
        yield f"{metrics}: {same[0][1]}."


def _context_row(one: ConsistencyVerdict) -> tuple[str, ...]:
    below = {True: "yes", False: "no", None: NONE}[one.too_small]
    return (
        one.metric,
        span(one.prediction.interval),
        signed(one.new.difference),
        signed(one.d33.value),
        below,
    )


def _units(verdicts: Sequence[ConsistencyVerdict]) -> Iterator[str]:
    """Method, unit and estimand of the effects, once for all metrics that share them."""
    for whose in ("new", "original"):
        pairs = ((one.metric, _about(getattr(one, whose))) for one in verdicts)
        yield from (f"{whose}, {text}" for text in _together(pairs, len(verdicts)))


def _about(one: Estimate) -> str:
    return f"{one.method}, unit {one.unit}, n {one.n}, df {whole(one.df)}; claimed for {one.estimand}"
