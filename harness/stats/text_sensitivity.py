"""Whether a judge's scores depend on the text: scores of transcripts beside scores of their shuffled words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.model import MAX_SCORE, MIN_SCORE, Level
from harness.stats.results import ALPHA

FEWEST = 8
"""The fewest pairs of scores to judge by: with 8, an exact sign test can go below p = .01."""


@dataclass(frozen=True, slots=True)
class ScoredTwice:
    """One judge's scores of one subject: of the transcript, of its words in random order, and the ``first`` one.

    ``first`` is an earlier score of the transcript by the same judge, where there is one.
    """

    intact: float
    shuffled: float
    first: float | None = None


@dataclass(frozen=True, slots=True)
class TextSensitivity:
    """``unchanged`` of ``n`` scores stayed the same when the words were shuffled.

    ``change`` is the mean size of the change, ``noise`` that between two scorings of the intact text, and ``p`` is of
    the one-sided exact sign test that shuffling changes a score more than scoring again does; each may be ``None``.
    """

    n: int
    unchanged: int
    level: Level
    message: str
    change: float | None = None
    noise: float | None = None
    p: float | None = None

    @property
    def share(self) -> float | None:
        """The share of scores that did not change."""
        return self.unchanged / self.n if self.n else None


def scored_twice(
    samples: Iterable[Mapping[str, Any]], *, own_judge: bool = True
) -> dict[str, list[ScoredTwice]]:
    """Metric → the scores of shuffled transcripts, from their recorded samples; incomplete ones are left out.

    The score on record is an earlier one of the same judge only if this is the run's ``own_judge``.
    """
    found: dict[str, list[ScoredTwice]] = {}
    for one in samples:
        scores = found.setdefault(str(one["metric"]), [])
        if one["value"] is not None and one["intact"] is not None:
            scores.append(ScoredTwice(one["intact"], one["value"], one["original"] if own_judge else None))
    return found


def text_sensitivity(scores: Sequence[ScoredTwice]) -> TextSensitivity:
    """Judge one claim's scores.

    FAIL if no score changed. WARN if scores changed no more than when the intact text is scored again, and where all
    stand at one end of the scale: a claim may be false, or true, of any text.
    """
    n, unchanged = len(scores), sum(one.intact == one.shuffled for one in scores)
    if n < FEWEST:
        said = f"{n} scores of shuffled transcripts, too few to judge; expected {FEWEST} or more"
        return TextSensitivity(n, unchanged, Level.PASS, said)
    change = fmean(abs(one.shuffled - one.intact) for one in scores)
    again = [(one, one.first) for one in scores if one.first is not None]
    noise = fmean(abs(one.intact - first) for one, first in again) if again else None
    p = _sign_test([abs(one.shuffled - one.intact) - abs(one.intact - first) for one, first in again])
    said = f"{unchanged} of {n} scores stayed the same when the transcript's words were shuffled"
    level = Level.PASS
    if unchanged == n:
        at_an_end = {one.intact for one in scores} in ({MIN_SCORE}, {MAX_SCORE})
        level = Level.WARN if at_an_end else Level.FAIL
        said += "; all are at one end of the scale" if at_an_end else ": they do not depend on the text"
    elif p is not None and noise is not None and p >= ALPHA:
        level = Level.WARN
        said += (
            f"; shuffling changed them by {change:.2g} on average, scoring again by {noise:.2g} (p = {p:.2g})"
        )
    return TextSensitivity(n, unchanged, level, said, change, noise, p)


def _sign_test(differences: Sequence[float]) -> float | None:
    """P of as many positive differences by chance, ties left out; ``None`` without differences to compare."""
    if not differences:
        return None
    more, n = sum(one > 0 for one in differences), sum(one != 0 for one in differences)
    return sum(math.comb(n, k) for k in range(more, n + 1)) * 0.5**n
