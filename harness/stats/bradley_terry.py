"""Strengths of several arms from pairwise comparisons with ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.extras import reason_without
from harness.stats.results import Interval
from harness.stats.student import interval

if TYPE_CHECKING:
    import numpy as np

FEWEST = 10
"""Below so many blocks the robust standard error is too small too often (Cameron, Gelbach & Miller 2008)."""
Vote = tuple[str, str, float, tuple[int, int]]
"""One arm, another, 1 where the first is preferred, 0 where the other is and 0.5 for a tie; and the block."""


@dataclass(frozen=True, slots=True)
class ArmStrength:
    """An arm's log-strength against the first arm's, which is 0; ``se`` and ``interval`` are by blocks.

    The odds that arm i is preferred to arm j, ties aside, are exp(strength of i − strength of j).
    """

    arm: str
    strength: float
    se: float | None = None
    interval: Interval | None = None


def bradley_terry(
    votes: Sequence[Vote], arms: Sequence[str], confidence: float = 0.95
) -> tuple[tuple[ArmStrength, ...], str]:
    """Strengths of ``arms`` by maximum likelihood, and a note; none where the note says why.

    Bradley and Terry (1952): P(i before j) ∝ exp(λ_i). Ties by Davidson (1970): P(tie) ∝ ν √(exp λ_i · exp λ_j).
    The covariance is the sandwich with the scores summed within blocks, times G / (G − 1) for G blocks, and the
    intervals are by t with G − 1 degrees of freedom.
    """
    if why := reason_without("analysis"):
        return (), why
    if reason := _not_estimable(votes, arms):
        return (), reason
    import numpy as np
    from scipy import optimize

    features, seen = _features(votes, arms)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        logits = features @ parameters
        top = logits.max(axis=1, keepdims=True)
        weights = np.exp(logits - top)
        total = weights.sum(axis=1, keepdims=True)
        log_likelihood = np.take_along_axis(logits - top - np.log(total), seen[:, None], 1).sum()
        return -float(log_likelihood), -_scores(features, seen, weights / total).sum(axis=0)

    fitted = optimize.minimize(loss, np.zeros(features.shape[2]), jac=True, method="BFGS")
    found = fitted.x
    blocks = [vote[3] for vote in votes]
    groups = len({*blocks})
    strengths = [0.0, *map(float, found[: len(arms) - 1])]
    if groups < FEWEST:
        note = f"no standard errors: they need {FEWEST} blocks or more; there are {groups}"
        return tuple(ArmStrength(arm, one) for arm, one in zip(arms, strengths, strict=True)), note
    errors = _errors(features, seen, found, blocks)
    rest = (
        ArmStrength(arm, one, se, interval(one, se, groups - 1, confidence))
        for arm, one, se in zip(arms[1:], strengths[1:], errors, strict=False)
    )
    return (ArmStrength(arms[0], 0.0), *rest), ""


def _features(votes: Sequence[Vote], arms: Sequence[str]) -> tuple[Any, Any]:
    """Per vote the parameters' weights in the log-odds of its three outcomes, and which outcome was seen.

    The outcomes are the first arm, the other one, and a tie; the parameters are the strengths after the first, and
    log ν where there is a tie at all.
    """
    import numpy as np

    ties = any(vote[2] == 0.5 for vote in votes)
    place = {arm: number - 1 for number, arm in enumerate(arms)}
    features = np.zeros((len(votes), 2 + ties, len(arms) - 1 + ties))
    seen = np.zeros(len(votes), dtype=int)
    for row, (one, other, vote, _) in enumerate(votes):
        for outcome, arm in enumerate((one, other)):
            if place[arm] >= 0:
                features[row, outcome, place[arm]] = 1
                if ties:
                    features[row, 2, place[arm]] = 0.5
        if ties:
            features[row, 2, -1] = 1
        seen[row] = {1.0: 0, 0.0: 1}.get(vote, 2)
    return features, seen


def _scores(features: Any, seen: Any, chances: Any) -> Any:
    """Each vote's derivative of the log-likelihood: what was seen minus what was expected."""
    import numpy as np

    observed = features[np.arange(len(seen)), seen]
    return observed - np.einsum("vo,vop->vp", chances, features)


def _errors(features: Any, seen: Any, found: Any, blocks: Sequence[tuple[int, int]]) -> list[float]:
    import numpy as np

    logits = features @ found
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = weights / weights.sum(axis=1, keepdims=True)
    mean = np.einsum("vo,vop->vp", chances, features)
    information = np.einsum("vo,vop,voq->pq", chances, features, features) - mean.T @ mean
    scores = _scores(features, seen, chances)
    names = sorted({*blocks})
    sums = np.zeros((len(names), scores.shape[1]))
    np.add.at(sums, [names.index(block) for block in blocks], scores)
    inverse = np.linalg.inv(information)
    groups = len(names)
    covariance = inverse @ (sums.T @ sums) @ inverse * groups / (groups - 1)
    return [float(one) for one in np.sqrt(np.diag(covariance))]


def _not_estimable(votes: Sequence[Vote], arms: Sequence[str]) -> str:
    """Why no finite strengths exist: every arm must be linked to every other by wins or ties (Ford 1957)."""
    if not votes:
        return "no comparison was made"
    if all(vote[2] == 0.5 for vote in votes):
        return "every answer is a tie, so that no arm is stronger"
    beaten: dict[str, set[str]] = {arm: set() for arm in arms}
    for one, other, vote, _ in votes:
        if vote > 0:
            beaten[one].add(other)
        if vote < 1:
            beaten[other].add(one)
    for arm in arms:
        reached, border = {arm}, [arm]
        while border:
            new = beaten[border.pop()] - reached
            reached |= new
            border += new
        if lost := [other for other in arms if other not in reached]:
            return (
                f"no finite strength: {arm} never won or tied against {', '.join(lost)}, or an arm that did"
            )
    return ""
