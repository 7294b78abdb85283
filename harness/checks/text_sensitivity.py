"""Scores that do not vary with the text: within each person over transcripts, and when words were shuffled."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.checked_run import CheckedRun
from harness.model import Check, Level
from harness.records.rescored import shuffled_samples
from harness.stats.text_sensitivity import FEWEST, scored_twice, text_sensitivity


def within_person(subject: CheckedRun) -> Iterator[Check]:
    """Per claim, the persons whose scores vary over their transcripts, all arms together.

    WARN if none of at least `FEWEST` further scores of a person differs from the first one, although persons differ:
    the scores then follow the person's name or description. Scores that are all equal are left to other checks.
    """
    for metric in subject.data.metrics:
        if not subject.is_judged(metric):
            continue
        scores: dict[str, list[float]] = {}
        for arm in subject.arms:
            for one in subject.due(metric, arm):
                if one.value is not None and one.person is not None:
                    scores.setdefault(one.person, []).append(one.value)
        more = sum(len(values) - 1 for values in scores.values())
        constants = {values[0] for values in scores.values()}
        if more < FEWEST or len(scores) < 2:
            continue
        varying = sum(min(values) < max(values) for values in scores.values())
        level = Level.WARN if not varying and len(constants) > 1 else Level.PASS
        said = f"the scores of {varying} of {len(scores)} persons vary over their transcripts"
        yield Check("scores within person", level, said, varying, "1 or more", metric)


def shuffled(subject: CheckedRun) -> Iterator[Check]:
    """Per claim, the share of scores that stayed the same when the run's judge scored shuffled transcripts.

    Only of runs whose transcripts were rescored so.
    """
    samples = shuffled_samples(subject.run.folder, subject.run.run_id)
    for metric, scores in scored_twice(samples).items():
        found = text_sensitivity(scores)
        yield Check("shuffled text", found.level, found.message, found.share, EXPECTED, metric)


EXPECTED = "scores that change more than when scored again; fails if none changes"
