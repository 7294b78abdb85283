"""Does a new result agree with an earlier one? One verdict per metric, by a margin δ set beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.model import Dataset
from harness.stats.blocked import Layout, blocked, layout
from harness.stats.margin import Known, MarginQuestion, levels, trials_needed
from harness.stats.naive import welch_on_scores
from harness.stats.results import ALPHA, MARGIN, Estimate, Interval, Quantity
from harness.stats.student import critical, rejection
from harness.stats.withheld_claims import stripped, why_withheld

REPRODUCED = "computation reproduced"


@dataclass(frozen=True, slots=True)
class ConsistencyVerdict:
    """One metric's new effect compared with the original's; D is new − original, both treatment − control.

    ``verdict`` is ``consistent``, ``inconsistent``, ``inconclusive``, ``computation reproduced`` (the two datasets have
    exactly the same samples, so nothing was tested), or ``None``; ``reason`` says in a sentence why. It is adjusted for
    ``verdicts``, their number (Bonferroni); ``unadjusted`` is the verdict that this metric had alone. ``difference`` is
    D with its 90 % interval, ``wide`` with its 95 % interval (both unadjusted). ``trials_needed`` is the number of new
    trials per arm for a decision at the D that was seen. ``prediction`` is the new effect and the interval where the
    original leads one to expect it (95 %); ``d33`` is the effect in points that the original had a third of a chance to
    find, with the new effect's 90 % interval; ``too_small`` says whether the new effect is below it.
    """

    metric: str
    original_metric: str
    control: str
    treatment: str
    delta: float
    verdict: str | None
    reason: str
    new: Estimate
    original: Estimate
    difference: Quantity
    wide: Quantity
    unadjusted: str | None
    verdicts: int
    trials_needed: Quantity
    prediction: Quantity
    d33: Quantity
    too_small: bool | None
    notes: tuple[str, ...] = ()


def consistency(
    new: Dataset, original: Dataset, *, delta: float = MARGIN, metrics: Mapping[str, str] | None = None
) -> list[ConsistencyVerdict]:
    """A verdict per metric and later group that both datasets have.

    ``metrics`` maps the new names to the original's; by default names pair that are equal but for case, spaces and
    hyphens. Groups pair by name, and two-group designs by position. A metric with one score per trial whose places
    are not known is compared by Welch's test on its trials, and says so. Raises `ValueError` unless δ is positive.

    Margins: equivalence by two one-sided tests (Schuirmann 1987); prediction interval: Patil, Peng & Leek (2016);
    d33: Simonsohn (2015), here with the blocked error.
    """
    if not delta > 0:
        raise ValueError(f"delta={delta}: expected a margin above 0, in points")
    pairs = _pairs(new, original) if metrics is None else dict(metrics)
    groups = _groups(new, original)
    count = len(pairs) * len(groups)
    return [
        _verdict(_Side(new, mine, *arms), _Side(original, theirs, *others), delta, count)
        for mine, theirs in pairs.items()
        for arms, others in groups
    ]


@dataclass(frozen=True, slots=True)
class _Side:
    """One dataset's view: a metric and two arms."""

    dataset: Dataset
    metric: str
    control: str
    treatment: str

    @property
    def layout(self) -> Layout:
        return layout(self.dataset, self.metric, self.control, self.treatment)

    @property
    def samples(self) -> list[list[float]]:
        return [self.dataset.values(self.metric, arm) for arm in (self.control, self.treatment)]

    def estimate(self) -> Estimate:
        found = self.layout
        if withheld := why_withheld(self.dataset, (self.control, self.treatment)):
            return replace(stripped(blocked(found), withheld), difference=None, reason=withheld)
        per_trial = all(one.person is None for one in self.dataset.of(self.metric))
        if found.unplaced and per_trial:
            return welch_on_scores(self.dataset, self.metric, self.control, self.treatment, 0.95)
        return blocked(found)


def _verdict(new: _Side, original: _Side, delta: float, count: int) -> ConsistencyVerdict:
    mine, theirs = new.estimate(), original.estimate()
    unknown = Quantity(None, reason=_missing(mine, theirs))
    answer = ConsistencyVerdict(
        new.metric,
        original.metric,
        new.control,
        new.treatment,
        delta,
        None,
        unknown.reason or "",
        mine,
        theirs,
        *(unknown, unknown, None, count, unknown, unknown, unknown, None),
        notes=_notes(new, original, mine, theirs),
    )
    known = Known.of(mine), Known.of(theirs)
    if known[0] is not None and known[1] is not None:
        answer = _weighed(answer, MarginQuestion(known[0], known[1], delta), new.layout)
    if new.samples == original.samples and any(new.samples):
        reason = "both hold the same samples: the computation was repeated, not the experiment"
        return replace(answer, verdict=REPRODUCED, unadjusted=REPRODUCED, reason=reason)
    return answer


def _weighed(answer: ConsistencyVerdict, question: MarginQuestion, found: Layout) -> ConsistencyVerdict:
    difference = question.new.less(question.original)
    verdict, reason = question.verdict(answer.verdicts)
    d33, too_small = _small_telescopes(question)
    settled = Quantity(None, reason="settled")
    return replace(
        answer,
        verdict=verdict,
        reason=reason,
        unadjusted=question.verdict()[0],
        difference=Quantity(difference.difference, difference.interval(levels(1)[0])),
        wide=Quantity(difference.difference, difference.interval(levels(1)[1])),
        trials_needed=trials_needed(question, found, answer.verdicts)
        if verdict == "inconclusive"
        else settled,
        prediction=_prediction(question, difference),
        d33=d33,
        too_small=too_small,
    )


def _prediction(question: MarginQuestion, difference: Known) -> Quantity:
    half = critical(difference.df, 0.95) * difference.se
    centre = question.original.difference
    return Quantity(question.new.difference, Interval(centre - half, centre + half))


def _small_telescopes(question: MarginQuestion) -> tuple[Quantity, bool | None]:
    """The original's d33 in points with its sign, and whether the new effect is below it (90 % interval)."""
    sign = 1 if question.original.difference >= 0 else -1
    d33 = shift_of_power(1 / 3, question.original.df) * question.original.se
    seen = question.new.interval(0.90)
    highest = seen.high if sign > 0 else -seen.low
    return Quantity(sign * d33, seen), highest < d33


def shift_of_power(wanted: float, df: float) -> float:
    """The noncentrality at which a two-sided t-test with ``df`` rejects with probability ``wanted``."""
    from scipy import optimize

    return float(
        optimize.brentq(lambda shift: rejection(shift, df, ALPHA) - wanted, 0.0, 4 * critical(df, 0.95))
    )


def _pairs(new: Dataset, original: Dataset) -> dict[str, str]:
    theirs = {plain_name(name): name for name in original.metrics}
    return {name: theirs[plain_name(name)] for name in new.metrics if plain_name(name) in theirs}


def plain_name(name: str) -> str:
    """``Self-consistency`` and ``self_consistency`` are one metric."""
    return name.casefold().replace("-", "_").replace(" ", "_")


Arms = tuple[str, str]


def _groups(new: Dataset, original: Dataset) -> Sequence[tuple[Arms, Arms]]:
    if len(new.groups) == len(original.groups) == 2:
        return [((new.groups[0], new.groups[1]), (original.groups[0], original.groups[1]))]
    shared = [group for group in new.groups[1:] if group in original.groups[1:]]
    return [((new.groups[0], group), (original.groups[0], group)) for group in shared]


def _missing(mine: Estimate, theirs: Estimate) -> str:
    reasons = [f"{whose}: {one.reason}" for whose, one in (("new", mine), ("original", theirs)) if one.reason]
    return "; ".join(reasons)


def _notes(new: _Side, original: _Side, mine: Estimate, theirs: Estimate) -> tuple[str, ...]:
    notes = []
    for whose, side, found in (("new", new, mine), ("original", original, theirs)):
        if side.dataset.rehearsal:
            notes.append(f"the {whose} result is a rehearsal: evidence of nothing")
        if found.method.startswith("Welch"):
            notes.append(f"the {whose} effect is Welch's on single trials, because their places are unknown")
    return tuple(notes)
