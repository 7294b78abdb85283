"""The exact sign-flip test: how often do random signs give a sum as large as the observed one?

`scipy.stats.permutation_test` enumerates the signs in Python: seconds for what takes milliseconds here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.extras import reason_without
from harness.stats.results import FIXED_SET, Estimate

if TYPE_CHECKING:
    import numpy as np

EXACT = 20
"""The most differences for which all 2^n signs are enumerated; beyond, signs are drawn."""
DRAWS = 100_000
SEED = 20_250_601
"""Of the drawn signs, unless a generator is given."""
UNREACHED = 1e-4
"""A smallest possible p below this keeps no result from being significant, so it is not mentioned."""
_TIE = 1e-9


def sign_flip(
    differences: Sequence[float],
    *,
    unit: str = "blocks (panel × proposal)",
    estimand: str = FIXED_SET,
    n_exact: int = EXACT,
    draws: int = DRAWS,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Two-sided p of the mean of ``differences`` under the hypothesis that each is as likely with either sign.

    Enumerated up to ``n_exact`` differences; beyond, ``draws`` random signs of ``rng``, and p = (b + 1) / (draws + 1)
    (Phipson & Smyth 2010). The note gives the smallest p that so few differences can reach: 2 / 2^n (Fisher 1935, §21).
    """
    n = len(differences)
    exact = n <= n_exact
    method = "exact sign-flip" if exact else f"sign-flip, {draws:,} random draws"
    if n == 0:
        return Estimate(method, estimand, unit, 0, reason=f"needs 1 or more {unit}; there are 0")
    if not any(differences):
        return Estimate(method, estimand, unit, n, 0.0, reason="every difference is 0, so no sign matters")
    if why := reason_without("analysis"):
        return Estimate(method, estimand, unit, n, reason=why)
    import numpy as np

    d = np.sort(np.asarray(differences, dtype=float))
    seen = abs(d.sum()) - _TIE * np.abs(d).sum()
    if exact:
        p = float(np.mean(np.abs(_all_sums(d)) >= seen))
    else:
        drawn = _drawn_sums(d, draws, rng or np.random.default_rng(SEED))
        p = float((np.count_nonzero(np.abs(drawn) >= seen) + 1) / (draws + 1))
    signed = int(np.count_nonzero(d))
    floor = floor_p(signed) if exact else max(floor_p(signed), 1 / (draws + 1))
    note = (
        f"{signed} differences other than 0 cannot give a p below {floor:.2g}" if floor > UNREACHED else None
    )
    return Estimate(method, estimand, unit, n, float(d.mean()), p=p, note=note)


def floor_p(n: int) -> float:
    """The smallest two-sided p of ``n`` differences: all of one sign."""
    return min(1.0, 2.0 ** (1 - n))


def _all_sums(d: np.ndarray) -> np.ndarray:
    """The sums under all 2^n signs."""
    import numpy as np

    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _drawn_sums(d: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Sums under random signs. Equal sizes, of which answers on a scale have few, share one binomial draw."""
    import numpy as np

    sizes, counts = np.unique(np.abs(d), return_counts=True)
    sums = np.zeros(draws)
    for size, count in zip(sizes[counts > 1], counts[counts > 1], strict=True):
        sums += size * (2.0 * rng.binomial(count, 0.5, draws) - count)
    single = sizes[counts == 1]
    step = max(1, 4_000_000 // max(1, len(single)))
    for start in range(0, draws if len(single) else 0, step):
        part = sums[start : start + step]
        bits = rng.integers(0, 256, (len(part), -(-len(single) // 8)), dtype=np.uint8)
        part += 2.0 * (np.unpackbits(bits, axis=1)[:, : len(single)] @ single) - single.sum()
    return sums
