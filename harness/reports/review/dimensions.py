"""What a transcript is scored by."""

from __future__ import annotations

from collections.abc import Mapping

DIMENSIONS: Mapping[str, str] = {
    "tool_selection": "Was the right thing done: created, looked up, changed, or rightly left alone?",
    "parameter_quality": "Are times, titles and other details what was asked for? Where none were needed: 3.",
    "ambiguity_handling": "Was asked back where something essential was missing, and only there?",
    "naturalness": "Do the words read as a helpful person would put them? Where none were needed: 3.",
}
"""Each dimension with the question that a reviewer answers."""

SCALE: Mapping[int, str] = {1: "fails", 2: "will do", 3: "good"}
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
