"""Pairwise comparisons: win rates by blocks, the judge's position bias, and strengths of more than two arms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.model import Dataset, Judgement, Level
from harness.stats.beta import betainc, betaincinv
from harness.stats.bradley_terry import ArmStrength, bradley_terry
from harness.stats.multiplicity import holm
from harness.stats.results import ALPHA, Interval
from harness.stats.sign_flip import sign_flip
from harness.stats.withheld_claims import why_withheld

FAIR, UNBIASED = (0.25, 0.75), (0.4, 0.6)
"""Shares of decided answers that prefer the conversation shown first: outside the first a judge follows the order."""
FEWEST = 4
"""Decided answers below which the share says nothing."""
METHOD = "sign-flip test on block win rates"
UNIT = "blocks (panel × proposal)"


@dataclass(frozen=True, slots=True)
class PositionBias:
    """How often a judge preferred what it was shown first, of ``decided`` answers that are no tie, in both orders."""

    decided: int
    first: int
    level: Level

    @property
    def rate(self) -> float | None:
        return self.first / self.decided if self.decided else None


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often the ``later`` arm is preferred to the ``earlier`` one; a tie counts half.

    ``won``, ``tied`` and ``lost`` count comparisons from the later arm's side; answers that contradict each other in
    the two orders are ``tied``, and counted in ``contradicted``. ``rate`` is the mean over ``blocks`` of the mean over
    reps. ``p`` is against 0.5, ``p_adjusted`` after ``adjustment``. ``reason`` says why a number is ``None``.
    ``preferred`` is the arm for which a preference is claimed.
    """

    earlier: str
    later: str
    planned: int
    made: int
    won: int
    tied: int
    lost: int
    contradicted: int
    blocks: int
    rate: float | None = None
    interval: Interval | None = None
    p: float | None = None
    p_adjusted: float | None = None
    adjustment: str = ""
    reason: str | None = None
    preferred: str | None = None


@dataclass(frozen=True, slots=True)
class PreferenceAnalysis:
    """The comparisons of one `Preference`. ``strengths`` are of more than two arms; ``missing`` counts by reason."""

    metric: str
    question: str
    position: PositionBias
    pairs: tuple[WinRate, ...]
    strengths: tuple[ArmStrength, ...] = ()
    strengths_note: str = ""
    missing: Mapping[str, int] | None = None


def analyse_preferences(dataset: Dataset, confidence: float = 0.95) -> tuple[PreferenceAnalysis, ...]:
    """Analyse every preference that a run declares; Holm's correction runs over all pairs of arms of all of them.

    No preference is claimed by a judge whose position check fails. A mixed run has no tests, nor has a pair of arms
    whose treatment reached no request.
    """
    by_metric: dict[str, list[Judgement]] = {}
    for one in dataset.judgements:
        by_metric.setdefault(one.metric, []).append(one)
    found = [_analysed(some, confidence) for some in by_metric.values()]
    found = [_withheld(one, dataset) for one in found]
    raw = {
        f"{number}/{pair.earlier}~{pair.later}": pair.p
        for number, one in enumerate(found)
        for pair in one.pairs
    }
    corrected = holm(raw)
    over = f"Holm over {len(raw)} comparison{'s' * (len(raw) != 1)} of arms"
    return tuple(
        replace(
            one,
            pairs=tuple(
                _claimed(pair, corrected[f"{number}/{pair.earlier}~{pair.later}"], over, one.position)
                for pair in one.pairs
            ),
        )
        for number, one in enumerate(found)
    )


def _withheld(analysis: PreferenceAnalysis, dataset: Dataset) -> PreferenceAnalysis:
    """``analysis`` without the tests of pairs that support no claim; strengths rest on all pairs."""
    whys = [why_withheld(dataset, (pair.earlier, pair.later)) for pair in analysis.pairs]
    pairs = tuple(
        replace(pair, p=None, interval=None, reason=why) if why else pair
        for pair, why in zip(analysis.pairs, whys, strict=True)
    )
    if pairs == analysis.pairs:
        return analysis
    return replace(analysis, pairs=pairs, strengths=(), strengths_note="")


def position_bias(judgements: Iterable[Judgement]) -> PositionBias:
    """The share of decided answers for the conversation shown first: one half, whichever arm is better.

    Each pair is shown in both orders, so a preference for an arm adds as much to first as to second places. A share
    between `FAIR` and `UNBIASED` WARNs where it is not chance (exact binomial test).
    """
    answers = [answer for one in judgements for answer in one.answers or () if answer != "tie"]
    first, decided = answers.count("A"), len(answers)
    if decided < FEWEST:
        return PositionBias(decided, first, Level.WARN)
    rate = first / decided
    if not FAIR[0] <= rate <= FAIR[1]:
        return PositionBias(decided, first, Level.FAIL)
    chance = UNBIASED[0] <= rate <= UNBIASED[1] or _binomial(first, decided) >= ALPHA
    return PositionBias(decided, first, Level.PASS if chance else Level.WARN)


def _binomial(successes: int, n: int) -> float:
    """The two-sided p of ``successes`` of ``n`` against one half."""
    tail = min(successes, n - successes)
    return min(1.0, 2 * betainc(n - tail, tail + 1, 0.5))


def _analysed(judgements: Sequence[Judgement], confidence: float) -> PreferenceAnalysis:
    by_pair: dict[tuple[str, str], list[Judgement]] = {}
    missing: dict[str, int] = defaultdict(int)
    for one in judgements:
        by_pair.setdefault(one.arms, []).append(one)
        if one.reason is not None:
            missing[one.reason] += 1
    arms = list(dict.fromkeys(arm for pair in by_pair for arm in pair))
    strengths: tuple[ArmStrength, ...] = ()
    note = ""
    if len(arms) > 2:
        strengths, note = bradley_terry(list(_votes(judgements)), arms, confidence)
    return PreferenceAnalysis(
        judgements[0].metric,
        judgements[0].question,
        position_bias(judgements),
        tuple(win_rate(some, confidence) for some in by_pair.values()),
        strengths,
        note,
        dict(missing),
    )


def win_rate(judgements: Sequence[Judgement], confidence: float = 0.95) -> WinRate:
    """The win rate of the later arm of one pair.

    The p is that of the sign-flip test on the blocks' rates minus one half, since under no preference each block is as
    likely to favour either arm. The interval is Clopper and Pearson's (1934) with each block as one trial. A block's
    rate lies between 0 and 1, so it varies no more than a single win or loss would, and the interval is conservative.
    """
    scores = [one.score for one in judgements if one.score is not None]
    blocks: dict[tuple[int, int], list[float]] = {}
    for one in judgements:
        if one.score is not None:
            blocks.setdefault(one.block, []).append(one.score)
    earlier, later = judgements[0].arms
    found = WinRate(
        earlier,
        later,
        planned=len(judgements),
        made=len(scores),
        won=sum(score > 0.5 for score in scores),
        tied=sum(score == 0.5 for score in scores),
        lost=sum(score < 0.5 for score in scores),
        contradicted=sum(one.answers in (("A", "A"), ("B", "B")) for one in judgements),
        blocks=len(blocks),
    )
    if not blocks:
        return replace(found, reason="no comparison was made")
    rates = [fmean(some) for some in blocks.values()]
    test = sign_flip([rate - 0.5 for rate in rates])
    interval = clopper_pearson(fmean(rates), len(rates), confidence)
    return replace(
        found, rate=fmean(rates), interval=interval, p=test.p, reason=None if test.p else _why(test.reason)
    )


def _why(reason: str | None) -> str:
    return "each block is even, so there is nothing to test" if reason and "is 0" in reason else reason or ""


def clopper_pearson(rate: float, n: int, confidence: float) -> Interval:
    """The interval of a share ``rate`` of ``n`` trials (Clopper and Pearson 1934); the share need not be k / n."""
    wins, tail = rate * n, (1 - confidence) / 2
    low = betaincinv(wins, n - wins + 1, tail) if wins > 0 else 0.0
    high = betaincinv(wins + 1, n - wins, 1 - tail) if wins < n else 1.0
    return Interval(low, high, confidence)


def _votes(judgements: Iterable[Judgement]) -> Iterator[tuple[str, str, float, tuple[int, int]]]:
    for one in judgements:
        earlier, later = one.arms
        yield from ((later, earlier, vote, one.block) for vote in one.votes)


def _claimed(pair: WinRate, p: float | None, over: str, position: PositionBias) -> WinRate:
    claimed = p is not None and p < ALPHA and pair.rate is not None and position.level is not Level.FAIL
    preferred = (pair.later if (pair.rate or 0) > 0.5 else pair.earlier) if claimed else None
    return replace(pair, p_adjusted=p, adjustment=over, preferred=preferred)
