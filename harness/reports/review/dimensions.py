"""The dimensions of a review, and their scale."""

from __future__ import annotations

from collections.abc import Mapping

DIMENSIONS: Mapping[str, str] = {
    "tool_selection": "Was the right thing done: created, looked up, changed, or rightly left alone?",
    "parameter_quality": "Are times, titles and other details as requested? If none were needed: 3.",
    "ambiguity_handling": "Did the reply ask back where something essential was missing, and only there?",
    "naturalness": "Does the reply read as a helpful person would write it? If none was needed: 3.",
}
"""Each dimension with its question to the reviewer."""

SCALE: Mapping[int, str] = {1: "fails", 2: "acceptable", 3: "good"}
"""A 1 in any dimension fails the transcript."""

FAILS = 1


def passes(scores: Mapping[str, int]) -> bool:
    """Whether no dimension fails.

    >>> passes({"naturalness": 2}), passes({"naturalness": 1, "tool_selection": 3})
    (True, False)
    """
    return FAILS not in scores.values()


def named(dimension: str) -> str:
    """A dimension in words: ``tool selection``."""
    return dimension.replace("_", " ")
