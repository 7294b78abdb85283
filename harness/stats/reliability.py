"""Agreement of repeated scorings of the same items: intraclass correlations and weighted kappa."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pvariance, stdev

from harness.stats.beta import f_quantile
from harness.stats.results import Interval, Quantity

Ratings = Sequence[Sequence[float]]
"""One row per item, one column per scoring; no value missing."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """The agreement of two scorings over the ``n`` items that both scored.

    ``agreement`` is ICC(2,1): scorings drawn at random, absolute agreement, one scoring; ``consistency`` ICC(3,1):
    these two scorings, their difference in level left out. ``kappa`` is Cohen's with quadratic weights. ``shift`` is
    the mean of second − first, ``shift_sd`` its sample SD. Intervals and n treat the items as independent.
    """

    n: int
    agreement: Quantity
    consistency: Quantity
    kappa: Quantity
    shift: float | None
    shift_sd: float | None
    exact: float | None


def reliability(first: Sequence[float], second: Sequence[float]) -> Reliability:
    """The agreement of two scorings of the same items; ``exact`` is the share of equal scores."""
    pairs = list(zip(first, second, strict=True))
    shifts = [late - early for early, late in pairs]
    return Reliability(
        n=len(pairs),
        agreement=icc_agreement(pairs),
        consistency=icc_consistency(pairs),
        kappa=weighted_kappa(first, second),
        shift=fmean(shifts) if shifts else None,
        shift_sd=stdev(shifts) if len(shifts) > 1 else None,
        exact=fmean(float(shift == 0) for shift in shifts) if shifts else None,
    )


def icc_agreement(ratings: Ratings) -> Quantity:
    """ICC(2,1): two-way random effects, absolute agreement, a single scoring (McGraw and Wong's ICC(A,1)).

    Shrout and Fleiss, Psychological Bulletin 86 (1979) 420–428; the interval is theirs, after Satterthwaite.
    """
    table = _anova(ratings)
    if isinstance(table, str):
        return Quantity(None, reason=table)
    n, k, rows, columns, rest = table
    value = (rows - rest) / (rows + (k - 1) * rest + k * (columns - rest) / n)
    return Quantity(value, _agreement_interval(table, value))


def icc_consistency(ratings: Ratings) -> Quantity:
    """ICC(3,1): these scorings and no others, consistency, a single scoring (McGraw and Wong's ICC(C,1)).

    Source as of `icc_agreement`; the interval is exact under normality.
    """
    table = _anova(ratings)
    if isinstance(table, str):
        return Quantity(None, reason=table)
    n, k, rows, _, rest = table
    value = (rows - rest) / (rows + (k - 1) * rest)
    if rest == 0:
        return Quantity(value)
    ratio, df = rows / rest, ((n - 1), (n - 1) * (k - 1))
    low, high = ratio / f_quantile(0.975, *df), ratio * f_quantile(0.975, *reversed(df))
    return Quantity(value, Interval((low - 1) / (low + k - 1), (high - 1) / (high + k - 1)))


def weighted_kappa(first: Sequence[float], second: Sequence[float]) -> Quantity:
    """Cohen's kappa with weights that grow with the square of the difference (Cohen, Psychological Bulletin 70, 1968).

    1 − the mean squared difference of pairs ÷ that of scores paired at random; no range of the scale enters into it.
    """
    pairs = list(zip(first, second, strict=True))
    if not pairs:
        return Quantity(None, reason="nothing was scored twice")
    observed = fmean((early - late) ** 2 for early, late in pairs)
    expected = pvariance(first) + pvariance(second) + (fmean(first) - fmean(second)) ** 2
    if expected == 0:
        return Quantity(None, reason="both scorings gave one and the same score to all")
    return Quantity(1 - observed / expected)


_Table = tuple[int, int, float, float, float]
"""n rows, k columns, and the mean squares of rows, of columns, and of the rest."""


def _anova(ratings: Ratings) -> _Table | str:
    """The two-way table without replication, or why there is none."""
    n, k = len(ratings), len(ratings[0]) if ratings else 0
    if n < 2 or k < 2:
        return f"{n} items scored {k} times; needs 2 or more, scored twice"
    grand = fmean(value for row in ratings for value in row)
    total = math.fsum((value - grand) ** 2 for row in ratings for value in row)
    rows = k * math.fsum((fmean(row) - grand) ** 2 for row in ratings)
    columns = n * math.fsum((fmean(column) - grand) ** 2 for column in zip(*ratings, strict=True))
    if rows <= 1e-12 * max(1.0, total):
        return "the items do not differ, so no share of the variance is theirs"
    rest = max(0.0, total - rows - columns)
    rest = 0.0 if rest <= 1e-12 * total else rest
    return n, k, rows / (n - 1), columns / (k - 1), rest / ((n - 1) * (k - 1))


def _agreement_interval(table: _Table, value: float) -> Interval | None:
    n, k, rows, columns, rest = table
    if rest == 0:
        return None
    ratio = columns / rest
    spread = n * (1 + (k - 1) * value) - k * value
    df = (k - 1) * (n - 1) * (k * value * ratio + spread) ** 2
    df /= (n - 1) * (k * value * ratio) ** 2 + spread**2
    upper, lower = f_quantile(0.975, n - 1, df), f_quantile(0.975, df, n - 1)
    between = k * columns + (k * n - k - n) * rest
    low = n * (rows - upper * rest) / (upper * between + n * rows)
    high = n * (lower * rows - rest) / (between + n * lower * rows)
    # With very few degrees of freedom the approximation can exclude its own estimate.
    return Interval(low, high) if low <= value <= high else None
