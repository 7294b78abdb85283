"""The incomplete beta function, for Student's t and F without SciPy.

Kept because a session's summary needs a few p-values, the core runs without SciPy, and its import takes as long as a
thousand short cases. `tests/stats/test_beta.py` holds these functions against SciPy's.
"""

from __future__ import annotations

import math

_TINY = 1e-300
_STEPS = 10_000
_DIGITS = 1e-15


def betainc(a: float, b: float, x: float, rest: float | None = None) -> float:
    """The regularised incomplete beta function I_x(a, b), for a, b > 0 and 0 ≤ x ≤ 1.

    ``rest`` is 1 − x, where the caller knows it more precisely than by subtraction.
    By the continued fraction of DLMF 8.17.22, evaluated as Lentz (1976) does, on the side where it converges fast.
    """
    if rest is not None and 0 < rest < 1e-12:
        return 1.0 - _lower(b, a, rest, 1 - rest)
    if not 0 < x < 1:
        return 0.0 if x <= 0 else 1.0
    rest = 1 - x if rest is None else rest
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _lower(b, a, rest, x)
    return _lower(a, b, x, rest)


def _lower(a: float, b: float, x: float, rest: float) -> float:
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(log_front) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for part in (even, odd):
            d = 1 / _away(1 + part * d)
            c = _away(1 + part / c)
            value *= c * d
        if abs(c * d - 1) < _DIGITS:
            break
    return value


def _away(value: float) -> float:
    """``value``, or a tiny number in place of 0."""
    return value if abs(value) > _TINY else _TINY


def betaincinv(a: float, b: float, p: float) -> float:
    """The x with I_x(a, b) = p, by bisection to the last digit."""
    low, high = 0.0, 1.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if betainc(a, b, middle) < p:
            low = middle
        else:
            high = middle


def two_sided_p(t: float, df: float) -> float:
    """The two-sided p of ``t`` by Student's t with ``df``."""
    square = t * t
    return betainc(df / 2, 0.5, df / (df + square), square / (df + square)) if square < math.inf else 0.0


def t_quantile(p: float, df: float) -> float:
    """The quantile of Student's t for a probability ``p`` ≥ 0.5."""
    x = betaincinv(0.5, df / 2, 2 * p - 1)  # of t² / (df + t²)
    return math.sqrt(df * x / (1 - x))


def f_quantile(p: float, df_one: float, df_other: float) -> float:
    """The quantile of F for a probability ``p``."""
    x = betaincinv(df_one / 2, df_other / 2, p)
    return df_other * x / (df_one * (1 - x)) if x < 1 else math.inf
