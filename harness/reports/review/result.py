"""The result of a complete review: scores are of transcripts, and n counts scenarios."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean

from harness.records import FiledRun
from harness.reports.review.dimensions import DIMENSIONS, passes
from harness.reports.review.items import reviewable
from harness.reports.review.score_import import scenarios_of
from harness.reports.review.store import StoredScores, kept
from harness.stats.multiplicity import holm
from harness.stats.reliability import Reliability, reliability
from harness.stats.results import Estimate
from harness.stats.sign_flip import sign_flip

UNIT = "scenarios"
ESTIMAND = "these scenarios, over repeated sampling of the model and repeated scoring"


@dataclass(frozen=True, slots=True)
class ReviewedArm:
    """One arm. A transcript passes if no reviewer fails it; ``scores`` counts all scores given."""

    name: str
    passed: int
    reviewed: int
    without: int
    """Planned trials without a transcript."""
    scores: Mapping[str, Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A later arm against the first, later − first: the tested share that passes, and each dimension's mean score.

    ``scenarios`` has both arms' shares for each scenario with transcripts in both.
    """

    first: str
    later: str
    passing: Estimate
    p_adjusted: float | None
    dimensions: Mapping[str, float | None]
    scenarios: Mapping[str, tuple[float, float]]
    left_out: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two reviewers over the transcripts that both scored; ``same_verdict`` is the share with the same pass or fail."""

    first: str
    second: str
    same_verdict: float
    dimensions: Mapping[str, Reliability]


@dataclass(frozen=True, slots=True)
class ReviewResult:
    """A review. It has results only if ``missing`` (reviewer → transcripts without scores) is empty."""

    experiment: str
    run_id: str
    rehearsal: bool
    reviewers: tuple[str, ...]
    transcripts: int
    missing: Mapping[str, int]
    changed: int = 0
    arms: tuple[ReviewedArm, ...] = ()
    differences: tuple[Difference, ...] = ()
    agreements: tuple[Agreement, ...] = ()

    @property
    def complete(self) -> bool:
        return bool(self.reviewers) and not self.missing


Scores = Mapping[str, Sequence[StoredScores]]
"""Trial → each reviewer's scores."""
Value = Callable[[Sequence[StoredScores]], float]


def review_of(run: FiledRun, reviewers: Iterable[str] = ()) -> ReviewResult:
    """The review of ``run`` by ``reviewers``, or by everyone who scored any of it."""
    found, due = kept(run.folder, run.experiment, run.run_id), reviewable(run)
    names = tuple(reviewers) or tuple(sorted({reviewer for reviewer, _ in found}))
    open_ = {name: sum((name, trial) not in found for trial in due) for name in names}
    missing = {name: count for name, count in open_.items() if count}
    changed = sum(one.changed > 0 for one in found.values() if one.reviewer in names)
    review = ReviewResult(run.experiment, run.run_id, run.rehearsal, names, len(due), missing, changed)
    if not review.complete or not due:
        return review
    scores = {trial: [found[(name, trial)] for name in names] for trial in due}
    return replace(
        review,
        arms=tuple(_arm(run, group, scores) for group in run.design.groups),
        differences=tuple(_differences(run, scores)),
        agreements=tuple(_agreement(one, other, found, due) for one, other in combinations(names, 2)),
    )


def _passes(given: Sequence[StoredScores]) -> float:
    return float(all(passes(one.scores) for one in given))


def _own(run: FiledRun, group: str, scores: Scores) -> dict[str, Sequence[StoredScores]]:
    return {
        trial.id: scores[trial.id] for trial in run.design.trials(run.experiment, group) if trial.id in scores
    }


def _arm(run: FiledRun, group: str, scores: Scores) -> ReviewedArm:
    own = _own(run, group, scores)
    counts = {
        name: dict(Counter(one.scores[name] for given in own.values() for one in given))
        for name in DIMENSIONS
    }
    passed = int(sum(_passes(given) for given in own.values()))
    return ReviewedArm(group, passed, len(own), run.design.trials_of(group) - len(own), counts)


def _differences(run: FiledRun, scores: Scores) -> Iterable[Difference]:
    first, *others = run.design.groups
    passing = {group: _by_scenario(run, group, scores, _passes) for group in run.design.groups}
    tests = {
        later: sign_flip(_paired(passing[first], passing[later]), unit=UNIT, estimand=ESTIMAND)
        for later in others
    }
    adjusted = holm({later: one.p for later, one in tests.items()})
    for later in others:
        both = [name for name in passing[first] if name in passing[later]]
        yield Difference(
            first=first,
            later=later,
            passing=tests[later],
            p_adjusted=adjusted[later],
            dimensions={name: _shift(run, first, later, scores, name) for name in DIMENSIONS},
            scenarios={name: (passing[first][name], passing[later][name]) for name in both},
            left_out=len(passing[first].keys() ^ passing[later].keys()),
        )


def _by_scenario(run: FiledRun, group: str, scores: Scores, value: Value) -> dict[str, float]:
    """Scenario → the mean over its repetitions, so that each scenario counts once."""
    names, found = scenarios_of(run), dict[str, list[float]]()
    for trial, given in _own(run, group, scores).items():
        found.setdefault(names[trial], []).append(value(given))
    return {name: fmean(values) for name, values in found.items()}


def _paired(first: Mapping[str, float], later: Mapping[str, float]) -> list[float]:
    return [later[name] - value for name, value in first.items() if name in later]


def _shift(run: FiledRun, first: str, later: str, scores: Scores, dimension: str) -> float | None:
    def mean(given: Sequence[StoredScores]) -> float:
        return fmean(one.scores[dimension] for one in given)

    found = _paired(*(_by_scenario(run, group, scores, mean) for group in (first, later)))
    return fmean(found) if found else None


def _agreement(
    one: str, other: str, found: Mapping[tuple[str, str], StoredScores], due: Sequence[str]
) -> Agreement:
    pairs = [(found[(one, trial)], found[(other, trial)]) for trial in due]
    return Agreement(
        one,
        other,
        fmean(float(passes(a.scores) == passes(b.scores)) for a, b in pairs),
        {
            name: reliability([a.scores[name] for a, _ in pairs], [b.scores[name] for _, b in pairs])
            for name in DIMENSIONS
        },
    )
