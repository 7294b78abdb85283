"""All checks of a run, in the order of their report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import isfinite

from harness.checks import (
    answer_order,
    answering_models,
    arm_order,
    blocks,
    code_versions,
    duplicate_replies,
    empty_turns,
    missing_data,
    pairwise,
    saturation,
    setting_reads,
    text_sensitivity,
    treatment_delivery,
    treatment_leakage,
    unusable_replies,
)
from harness.checks.checked_run import CheckedRun
from harness.model import Check, Dataset, Level
from harness.records import FiledRun, dataset_of

OwnChecks = Callable[[FiledRun], Iterable[Check]]
"""The checks that an experiment's play adds to a run."""

CHECKS: tuple[Callable[[CheckedRun], Iterable[Check]], ...] = (
    code_versions.mixed,
    setting_reads.unread,
    missing_data.unread,
    saturation.saturation,
    saturation.variance,
    text_sensitivity.within_person,
    text_sensitivity.shuffled,
    missing_data.missing,
    missing_data.unequal,
    missing_data.bounds,
    missing_data.denominators,
    missing_data.without_number,
    empty_turns.empty_turns,
    unusable_replies.unparseable,
    unusable_replies.stated_tokens,
    unusable_replies.unwrapped,
    unusable_replies.refusals,
    unusable_replies.asked_again,
    duplicate_replies.identical,
    answering_models.settings,
    answering_models.options,
    answering_models.forms,
    code_versions.requests,
    code_versions.people,
    code_versions.changed_requests,
    code_versions.measures,
    answering_models.models,
    answering_models.snapshots,
    answering_models.judge,
    arm_order.interleaving,
    arm_order.drift,
    answer_order.option_order,
    answer_order.item_order,
    treatment_delivery.delivery,
    treatment_delivery.unrecorded,
    treatment_leakage.leakage,
    treatment_leakage.same_script,
    blocks.enough,
    blocks.one_block,
    pairwise.position,
    pairwise.comparisons,
    pairwise.blinding,
)


def examine(run: FiledRun, data: Dataset | None = None, own: OwnChecks | None = None) -> list[Check]:
    """Run every check on ``run``, and the ``own`` ones. ``data`` is its dataset, by default made from the run.

    The checks of words and of identical replies need transcripts, or the traces that `condense` made of them when the
    files were read. A check that raises is a FAIL.
    """
    subject = CheckedRun(run, dataset_of(run) if data is None else data)
    checks = (*CHECKS, *([_own(own)] if own else ()))
    return [_finite(one) for check in checks for one in _made(check, subject)]


def _own(checks: OwnChecks) -> Callable[[CheckedRun], Iterable[Check]]:
    def own_checks(subject: CheckedRun) -> Iterable[Check]:
        return checks(subject.run)

    return own_checks


def _made(check: Callable[[CheckedRun], Iterable[Check]], subject: CheckedRun) -> list[Check]:
    try:
        return list(check(subject))
    except Exception as error:  # one check's fault must not lose the others, nor the run's artifact
        said = f"the check failed to run: {type(error).__name__}: {error}"
        return [Check(check.__name__.replace("_", " "), Level.FAIL, said, None, "a check that runs")]


def _finite(check: Check) -> Check:
    number = check.number
    return check if number is None or isfinite(number) else replace(check, number=None)
