"""Holm's correction, computed here because the core lacks statsmodels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def holm(p_values: Mapping[K, float | None]) -> dict[K, float | None]:
    """Holm's (1979) step-down p for each test; valid whatever the dependence.

    An undefined p stays ``None`` and counts in the size of the family, which was fixed beforehand.

    >>> holm({"tact": 0.01, "wit": None, "courtesy": 0.2})
    {'tact': 0.03, 'wit': None, 'courtesy': 0.4}
    """
    defined = sorted(((p, test) for test, p in p_values.items() if p is not None), key=lambda one: one[0])
    adjusted: dict[K, float | None] = dict.fromkeys(p_values)
    highest = 0.0
    for rank, (p, test) in enumerate(defined):
        highest = max(highest, min(1.0, p * (len(p_values) - rank)))
        adjusted[test] = highest
    return adjusted
