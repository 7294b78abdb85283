"""Differences without a claim: where settings changed during a run, or a declared treatment reached no request."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from harness.model import Dataset
from harness.stats.results import AcrossItems, Analysis, Comparison, CumulativeShares, Estimate, Moderation

T = TypeVar("T")
Pair = TypeVar("Pair", Comparison, AcrossItems, CumulativeShares, Moderation)
_CLAIMS = frozenset({"p", "p_adjusted", "interval", "se", "df"})
"""What a test consists of, by the names of fields."""


def without_claims(analysis: Analysis, changes: Sequence[str]) -> Analysis:
    """``analysis`` without tests and intervals; ``changes`` say, in sentences, which settings changed."""
    note = f"Nothing can be claimed. Mixed run: {'; '.join(changes)}."
    return replace(stripped(analysis, reason_of(changes)), notes=(note, *_without_scope(analysis.notes)))


def without_undelivered(analysis: Analysis, undelivered: Mapping[str, str]) -> Analysis:
    """``analysis`` without tests and intervals of what involves an arm of ``undelivered`` (arm → what was missing).

    Effects of factors combine all arms, so none keeps its test.
    """
    if not undelivered:
        return analysis
    note = f"No difference is tested where a declared treatment reached no request. {_listed(undelivered)}."
    comparisons = _delivered(analysis.comparisons, undelivered)
    tested = any(one.primary.p is not None for one in comparisons)
    return replace(
        analysis,
        comparisons=comparisons,
        contrasts=tuple(delivered_only(one, one.weights, undelivered) for one in analysis.contrasts),
        effects=tuple(stripped(one, _listed(undelivered)) for one in analysis.effects),
        across_items=_delivered(analysis.across_items, undelivered),
        shares=_delivered(analysis.shares, undelivered),
        moderation=_delivered(analysis.moderation, undelivered),
        notes=(note, *(analysis.notes if tested else _without_scope(analysis.notes))),
    )


def _delivered(results: Sequence[Pair], undelivered: Mapping[str, str]) -> tuple[Pair, ...]:
    return tuple(delivered_only(one, (one.treatment, one.control), undelivered) for one in results)


def _without_scope(notes: Sequence[str]) -> list[str]:
    """``notes`` without the one that says what claims are for."""
    return [one for one in notes if not one.startswith("Claims are for")]


def delivered_only(result: T, arms: Collection[str], undelivered: Mapping[str, str]) -> T:
    """``result``, which is about ``arms``; without its tests if one of them is in ``undelivered``."""
    why = undelivered_among(arms, undelivered)
    return stripped(result, why) if why else result


def undelivered_among(arms: Collection[str], undelivered: Mapping[str, str]) -> str:
    """What reached no request in any of ``arms``; empty where all was sent."""
    return _listed({arm: why for arm, why in undelivered.items() if arm in arms})


def why_withheld(dataset: Dataset, arms: Collection[str]) -> str:
    """Why nothing is claimed about ``arms``: a mixed run, or a treatment that was not sent; empty if neither."""
    return reason_of(dataset.mixed) if dataset.mixed else undelivered_among(arms, dataset.undelivered)


def _listed(undelivered: Mapping[str, str]) -> str:
    return "; ".join(f"{arm}: {why}" for arm, why in undelivered.items())


def reason_of(changes: Sequence[str]) -> str:
    """Why a mixed run has no test."""
    return f"mixed run: {'; '.join(changes)}"


def stripped(value: T, why: str) -> T:
    """``value``, a result, without tests and intervals at any depth; ``why`` becomes the reason of each estimate."""
    if isinstance(value, tuple):
        return tuple(stripped(one, why) for one in value)  # type: ignore[return-value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts: dict[str, Any] = {
        one.name: None if one.name in _CLAIMS else stripped(getattr(value, one.name), why)
        for one in fields(value)
    }
    if isinstance(value, Estimate | Moderation):
        parts["reason"] = value.reason or why
    return replace(value, **parts)
