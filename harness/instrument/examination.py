"""All checks of a run, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import isfinite

from harness.instrument import answering, blocks, code, copies, missing, order, replies, scores, words
from harness.instrument.subject import Subject
from harness.model import Check, Dataset, Level
from harness.records import FiledRun, dataset_of

OwnChecks = Callable[[FiledRun], Iterable[Check]]
"""What an experiment's own play checks of a run; nothing for most."""

CHECKS: tuple[Callable[[Subject], Iterable[Check]], ...] = (
    missing.unread,
    scores.saturation,
    scores.variance,
    missing.missing,
    missing.unequal,
    missing.bounds,
    missing.denominators,
    replies.unparseable,
    replies.stated_tokens,
    replies.unwrapped,
    replies.refusals,
    replies.asked_again,
    copies.identical,
    answering.settings,
    answering.options,
    answering.forms,
    code.requests,
    code.measures,
    answering.models,
    answering.snapshots,
    answering.judge,
    order.interleaving,
    order.drift,
    words.leakage,
    words.same_script,
    blocks.enough,
    blocks.one_block,
)


def examine(run: FiledRun, data: Dataset | None = None, own: OwnChecks | None = None) -> list[Check]:
    """Every check of ``run``. ``data`` is its dataset, made from the run where it is not given; ``own`` checks more.

    The checks of words and of identical replies need transcripts, or the traces that `condense` made of them when the
    files were read. A check that cannot be made is a FAIL that says so, never a pass.
    """
    subject = Subject(run, dataset_of(run) if data is None else data)
    checks = (*CHECKS, *([_own(own)] if own else ()))
    return [_finite(one) for check in checks for one in _made(check, subject)]


def _own(checks: OwnChecks) -> Callable[[Subject], Iterable[Check]]:
    def own_checks(subject: Subject) -> Iterable[Check]:
        return checks(subject.run)

    return own_checks


def _made(check: Callable[[Subject], Iterable[Check]], subject: Subject) -> list[Check]:
    try:
        return list(check(subject))
    except Exception as error:  # one check's fault must not lose the others, nor the run's artifact
        said = f"the check could not be made: {type(error).__name__}: {error}"
        return [Check(check.__name__.replace("_", " "), Level.FAIL, said, None, "a check that can be made")]


def _finite(check: Check) -> Check:
    number = check.number
    return check if number is None or isfinite(number) else replace(check, number=None)
