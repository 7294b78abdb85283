"""Decide on a comparison, by the rule that the run's records state from the start."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.stats.results import Estimate

CEILING = 0.95
"""From this share of appropriate turns on, a category or a run cannot distinguish two variants."""
RULE: Mapping[str, Any] = {
    "measure": "appropriate",
    "unit": "scenarios",
    "test": "exact sign-flip over all scenarios, two-sided, Holm over variants",
    "alpha": 0.05,
    "margin": 0.1,
    "ceiling": CEILING,
    "tie": "95 % interval within the margin: the simpler variant (fewer tools, then shorter schemas)",
}
"""ADOPT a variant that is better by ``margin`` at ``alpha``, REJECT one that is worse by it; the simpler variant wins a
tie; REVISIT otherwise. ``margin`` is a difference of shares."""


class Adoption(StrEnum):
    """The decision on a later variant. ``REFUSED``: the run permits no decision."""

    ADOPT = "ADOPT"
    REJECT = "REJECT"
    REVISIT = "REVISIT"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class VariantDecision:
    """A choice and its reasons, one sentence each."""

    choice: Adoption
    because: tuple[str, ...]


def simplicity(tools: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """The complexity of a variant: its number of tools, then the characters of their schemas. Smaller is simpler."""
    return len(tools), len(json.dumps(list(tools), sort_keys=True))


def decide(
    variant: str,
    first: str,
    test: Estimate,
    p: float | None,
    shares: tuple[float | None, float | None],
    tools: Mapping[str, Sequence[Mapping[str, Any]]],
    rule: Mapping[str, Any],
) -> VariantDecision:
    """Apply ``rule`` to ``variant`` against ``first``.

    ``test`` has the mean difference over scenarios and its interval, ``p`` is the adjusted p of the sign-flip test,
    ``shares`` are the shares of appropriate turns, first and later.
    """
    margin, alpha = float(rule["margin"]), float(rule["alpha"])
    d, limits = test.difference, test.interval
    if d is None:
        return VariantDecision(Adoption.REVISIT, (test.reason or "the difference is undefined",))
    if p is not None and p < alpha and abs(d) >= margin:
        better = "better" if d > 0 else "worse"
        reason = f"{variant} is {better} by {abs(d):.2f}, at least {margin:g}, with {_p(p)} (below {alpha:g})"
        return VariantDecision(Adoption.ADOPT if d > 0 else Adoption.REJECT, (reason,))
    ceiling = float(rule["ceiling"])
    if all(share is not None and share >= ceiling for share in shares):
        reason = (
            f"both are appropriate in {ceiling:.0%} of turns or more: the scenarios cannot distinguish them"
        )
        return VariantDecision(Adoption.REVISIT, (reason,))
    if (limits is not None and -margin < limits.low and limits.high < margin) or (limits is None and d == 0):
        return _tie(variant, first, tools)
    shown = "no interval" if limits is None else f"95 % interval {limits.low:+.2f} to {limits.high:+.2f}"
    reason = f"neither a difference of {margin:g} nor a tie is shown: {d:+.2f}, {shown}, {_p(p)}"
    return VariantDecision(Adoption.REVISIT, (reason,))


def _p(p: float | None) -> str:
    if p is None:
        return "p not defined"
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".", 1)


def _tie(variant: str, first: str, tools: Mapping[str, Sequence[Mapping[str, Any]]]) -> VariantDecision:
    later, earlier = simplicity(tools[variant]), simplicity(tools[first])
    simpler = variant if later < earlier else first
    reason = (
        f"a tie, so the simpler variant wins, {simpler}: {variant} has {later[0]} tools of {later[1]:,} characters, "
        f"{first} {earlier[0]} of {earlier[1]:,}"
    )
    return VariantDecision(Adoption.ADOPT if simpler == variant else Adoption.REJECT, (reason,))
