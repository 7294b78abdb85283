"""The analysis of a run whose settings changed on the way: differences as numbers, without any claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from harness.stats.results import Analysis, Estimate

T = TypeVar("T")
_CLAIMS = frozenset({"p", "p_adjusted", "interval", "se", "df"})
"""What a test consists of, by the names of fields."""


def without_claims(analysis: Analysis, changes: Sequence[str]) -> Analysis:
    """``analysis`` without tests and intervals; ``changes`` say, in sentences, which settings changed."""
    note = f"Nothing can be claimed. Mixed run: {'; '.join(changes)}."
    others = (one for one in analysis.notes if not one.startswith("Claims are for"))
    return replace(stripped(analysis, reason_of(changes)), notes=(note, *others))


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
    if isinstance(value, Estimate):
        parts["reason"] = value.reason or why
    return replace(value, **parts)
