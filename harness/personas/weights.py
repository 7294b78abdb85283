"""Weights: raking to known margins, and the effective sample size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import ConfigurationError, expected_one_of
from harness.extras import require

ROUNDING = 1e-3
"""How far the shares of a margin may sum from 1: published shares are rounded."""
MET = 1e-6
"""How close every weighted share must come to its target."""


def effective_n(weights: Sequence[float]) -> float:
    """The size of an unweighted sample of the same precision: (sum w)² / sum w².

    Source: Kish, Survey Sampling (1965), section 11.7.

    >>> effective_n([1, 1, 1, 1]), round(effective_n([3, 1, 1, 1]), 2)
    (4.0, 3.0)
    """
    squares = math.fsum(weight * weight for weight in weights)
    return math.fsum(weights) ** 2 / squares if squares else 0.0


def raked(
    margins: Mapping[str, Mapping[Any, float]],
    attributes: Sequence[Mapping[str, Any]],
    weights: Sequence[float],
    owner: str,
) -> list[float]:
    """``weights`` changed as little as possible so that the weighted shares are those of ``margins``; mean 1.

    ``attributes`` has one mapping per person; ``margins`` a share for every value of each attribute. "As little as
    possible" is in the Kullback–Leibler sense, which is what iterative proportional fitting minimises; here SciPy
    minimises the convex dual, so that margins that contradict each other are noticed. Raises `ConfigurationError`.
    Source: Deville, Särndal & Sautory, Journal of the American Statistical Association 88 (1993).
    """
    shares = {name: _shares(name, levels, attributes, owner) for name, levels in margins.items()}
    if not shares:
        raise ConfigurationError(
            f"{owner}: no margins; expected shares by attribute, {{'sex': {{'f': 0.51, …}}}}."
        )
    require("analysis", "Raking")
    import numpy as np

    columns = [(name, level) for name, levels in shares.items() for level in levels]
    design = np.array([[float(person[name] == level) for name, level in columns] for person in attributes])
    targets = np.array([shares[name][level] for name, level in columns])
    start = np.asarray(weights, dtype=float) / math.fsum(weights)
    cells, member = np.unique(design, axis=0, return_inverse=True)
    mass = np.bincount(member.ravel(), weights=start)
    factors = _factors(cells, mass, targets)
    gaps = np.abs(cells.T @ (mass * factors) - targets)
    if not np.isfinite(gaps).all() or gaps.max() > MET:
        name, level = columns[int(np.nan_to_num(gaps, nan=np.inf).argmax())]
        raise ConfigurationError(
            f"{owner}: the margins cannot be met together: {name}={level!r} stays {float(gaps.max()):.3f} from its "
            f"share of {shares[name][level]:.3f}, because too few combinations of the attributes occur. Drop a margin, "
            "merge categories, or take more people."
        )
    found = start * factors[member.ravel()]
    return [float(one) for one in found * len(found) / found.sum()]


def _factors(cells: Any, mass: Any, targets: Any) -> Any:
    """By what each cell's mass is multiplied: exp(cells @ x) at the minimum of the dual."""
    import numpy as np
    from scipy.optimize import minimize

    scale = np.clip  # exp of a search step that goes too far is cut, and then found not to meet the targets

    def factors(x: Any) -> Any:
        return np.exp(scale(cells @ x, -50, 50))

    def value(x: Any) -> tuple[float, Any]:
        weighted = mass * factors(x)
        return float(weighted.sum() - targets @ x), cells.T @ weighted - targets

    def curvature(x: Any) -> Any:
        weighted = mass * factors(x)
        return (cells * weighted[:, None]).T @ cells + 1e-12 * np.eye(len(targets))

    done = minimize(
        value,
        np.zeros(len(targets)),
        jac=True,
        hess=curvature,
        method="trust-exact",
        options={"gtol": 1e-10, "maxiter": 500},
    )
    return factors(done.x)


def _shares(
    name: str, levels: Mapping[Any, float], attributes: Sequence[Mapping[str, Any]], owner: str
) -> dict[Any, float]:
    """One margin, checked against the people, summing to 1 exactly."""
    known = dict.fromkeys(key for person in attributes for key in person)
    if name not in known:
        raise ConfigurationError(f"{owner}: margins name {name!r}; {expected_one_of(name, list(known))}")
    values = {person.get(name) for person in attributes}
    mine = f"{owner}: margins[{name!r}]"
    for level, share in levels.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ConfigurationError(
                f"{mine}[{level!r}]={share!r}; expected a share, 0 to 1. Divide counts by their sum."
            )
    if None in values:
        lacking = sum(person.get(name) is None for person in attributes)
        raise ConfigurationError(
            f"{mine}: {lacking:,} of {len(attributes):,} people have no {name}; expected a value for each. Leave them "
            "out, or give them a category."
        )
    total = math.fsum(levels.values())
    if abs(total - 1) > ROUNDING:
        raise ConfigurationError(f"{mine}: the shares sum to {total:.4g}; expected 1. Correct them.")
    if unknown := [level for level in levels if level not in values and levels[level] > 0]:
        raise ConfigurationError(
            f"{mine} has {unknown[0]!r}, but none of the {len(attributes):,} people has that {name}; "
            f"{expected_one_of(str(unknown[0]), sorted(map(str, values)))} Merge it, or take more people."
        )
    if absent := sorted(map(repr, values - levels.keys())):
        raise ConfigurationError(
            f"{mine} lacks {', '.join(absent[:5])}, which people have; expected a share for every value."
        )
    return {level: share / total for level, share in levels.items() if level in values}
