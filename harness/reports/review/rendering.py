"""Reports a review as headings, tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.records.json_safe import plain
from harness.reports.numbers import NONE, counted, fixed, p_value, signed
from harness.reports.parts import REHEARSAL, Heading, Items, Part, Table
from harness.reports.review.dimensions import SCALE, named
from harness.reports.review.result import Agreement, Difference, ReviewedArm, ReviewResult


def review_json(outcome: ReviewResult) -> Mapping[str, Any]:
    """The review as plain values; ``complete`` says whether it has results."""
    content: Mapping[str, Any] = plain(outcome)[0]
    return {**content, "complete": outcome.complete}


def review_parts(outcome: ReviewResult) -> Iterator[Part]:
    """The results, or what is missing."""
    yield Heading(f"Review of {outcome.experiment}, run {outcome.run_id}")
    if outcome.rehearsal:
        yield REHEARSAL
    if not outcome.complete:
        yield from _incomplete(outcome)
        return
    yield _said(outcome)
    yield from _arms(outcome.arms)
    for one in outcome.differences:
        yield from _difference(one)
    if outcome.agreements:
        yield from _agreements(outcome.agreements)


def _incomplete(outcome: ReviewResult) -> Iterator[Part]:
    if not outcome.reviewers:
        yield f"None of {counted(outcome.transcripts, 'transcript')} has been scored yet."
        return
    yield "The review is incomplete, so the arms stay hidden."
    yield Items(
        tuple(
            f"{name}: {outcome.transcripts - count} of {outcome.transcripts} transcripts scored, {count} missing."
            for name, count in _all_of_them(outcome).items()
        )
    )
    yield "Import the rest, or name a reviewer whose review is complete."


def _all_of_them(outcome: ReviewResult) -> Mapping[str, int]:
    return {name: outcome.missing.get(name, 0) for name in outcome.reviewers}


def _said(outcome: ReviewResult) -> str:
    changed = f" {counted(outcome.changed, 'score')} changed after a first import." if outcome.changed else ""
    return (
        f"{counted(outcome.transcripts, 'transcript')}, each scored by {' and '.join(outcome.reviewers)}. A transcript "
        f"passes where no reviewer gives a 1 in any dimension.{changed}"
    )


def _arms(arms: tuple[ReviewedArm, ...]) -> Iterator[Part]:
    yield Heading("Arms", 2)
    rows = tuple((one.name, f"{one.passed} of {one.reviewed}", str(one.without)) for one in arms)
    yield Table(("arm", "pass", "planned, no transcript"), rows)
    yield Heading("Scores given", 2)
    head = ("dimension", "arm", *(f"{score} ({word})" for score, word in SCALE.items()))
    lines = tuple(
        (named(name), arm.name, *(f"{counts.get(score, 0)} of {sum(counts.values())}" for score in SCALE))
        for name in (arms[0].scores if arms else ())
        for arm in arms
        if (counts := arm.scores[name])
    )
    yield Table(head, lines, left=2)


def _difference(one: Difference) -> Iterator[Part]:
    test = one.passing
    yield Heading(f"{one.later} - {one.first}, scenario by scenario", 2)
    row = ("pass", signed(test.difference), str(test.n), p_value(test.p), p_value(one.p_adjusted))
    yield Table(("share that", "difference", "scenarios", "p", "adjusted"), (row,))
    yield (
        f"{test.method}; unit: {test.unit}, repetitions averaged within a scenario first. Claimed for: {test.estimand}."
        f"{_sentence(test.reason)}{_sentence(test.note)} adjusted: Holm over arms."
    )
    if one.left_out:
        yield f"{counted(one.left_out, 'scenario')} left out: transcripts in one of the two arms only."
    yield Table(
        ("mean score (described, not tested)", "difference"),
        tuple((named(name), signed(value)) for name, value in one.dimensions.items()),
    )
    apart = {name: shares for name, shares in one.scenarios.items() if shares[0] != shares[1]}
    if apart:
        rows = tuple((name, fixed(a), fixed(b), signed(b - a)) for name, (a, b) in apart.items())
        yield Table(("scenario that differs", one.first, one.later, "difference"), rows)
    yield f"The other {len(one.scenarios) - len(apart)} of {len(one.scenarios)} scenarios pass equally often in both."


def _agreements(agreements: tuple[Agreement, ...]) -> Iterator[Part]:
    yield Heading("Do the reviewers agree?", 2)
    for one in agreements:
        rows = tuple(
            (named(name), fixed(r.exact), fixed(r.kappa.value), fixed(r.agreement.value), signed(r.shift))
            for name, r in one.dimensions.items()
        )
        yield Table((f"{one.first} and {one.second}", "same", "kappa", "ICC(2,1)", "shift"), rows)
        yield f"The same verdict, pass or fail, on {fixed(one.same_verdict)} of the transcripts."
        for name, r in one.dimensions.items():
            if r.kappa.value is None:
                yield f"{named(name)}: no kappa ({r.kappa.reason or NONE})."
    yield "kappa: quadratic weights. shift: second - first. Both take transcripts as independent."


def _sentence(text: str | None) -> str:
    return f" {text[:1].upper()}{text[1:]}." if text else ""
