"""Verdicts of consistency in print."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model import Dataset
from harness.reports.agreement import agreement_json, agreement_parts
from harness.reports.parts import as_text
from harness.stats import ConsistencyVerdict
from harness.stats.results import Estimate, Interval, Quantity

EFFECT = Estimate("paired t on block differences", "these personas", "blocks", 12, 0.5, 0.1, 11.0, 0.001)
NEW = Dataset("exp_3", ("Control", "Treatment"), ("fluency",), (), "run-2")
ORIGINAL = replace(NEW, source="debate.json")


def verdict(metric: str = "fluency", **changes: object) -> ConsistencyVerdict:
    whole = ConsistencyVerdict(
        metric=metric,
        original_metric=metric,
        control="Control",
        treatment="Treatment",
        delta=0.5,
        verdict="inconclusive",
        reason="the 90 % CI of D is not inside ±0.5",
        new=EFFECT,
        original=replace(EFFECT, difference=0.1),
        difference=Quantity(0.4, Interval(-0.2, 1.0, 0.90)),
        wide=Quantity(0.4, Interval(-0.4, 1.2)),
        unadjusted="inconclusive",
        verdicts=2,
        trials_needed=Quantity(96.0),
        prediction=Quantity(0.5, Interval(-0.6, 0.8)),
        d33=Quantity(0.17, Interval(0.3, 0.7, 0.90)),
        too_small=False,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def said(*verdicts: ConsistencyVerdict, new: Dataset = NEW) -> str:
    return as_text(agreement_parts(verdicts, new, ORIGINAL))


def test_a_verdict_has_its_numbers_its_reason_and_the_trials_it_takes() -> None:
    lines = said(verdict()).splitlines()
    assert "fluency  inconclusive  +0.50  +0.10  +0.40  −0.20 to +1.00      96" in lines
    assert "- fluency: inconclusive: the 90 % CI of D is not inside ±0.5." in lines
    assert "fluency −0.60 to +0.80 +0.50 +0.17 no" in [" ".join(line.split()) for line in lines]


@pytest.mark.parametrize("name", ["consistent", "inconsistent"])
def test_a_decided_metric_needs_no_trials(name: str) -> None:
    found = said(verdict(verdict=name, unadjusted=name, trials_needed=Quantity(None, reason="settled")))
    (row,) = (line for line in found.splitlines() if line.startswith(f"fluency  {name}"))
    assert row.endswith("–") and "settled" not in found


def test_reasons_that_are_shared_stand_once() -> None:
    found = " ".join(said(verdict(), verdict("divergence"), verdict("other", reason="else")).split())
    assert "fluency, divergence: inconclusive: the 90 % CI of D is not inside ±0.5." in found
    assert "new, all metrics: paired t on block differences, unit blocks, n 12, df 11" in found


def test_what_no_number_of_trials_settles_is_said() -> None:
    found = said(verdict(trials_needed=Quantity(None, reason="no number of reps settles it")))
    assert "fluency: trials needed are not known: no number of reps settles it." in found


def test_a_verdict_that_the_adjustment_changed_says_so() -> None:
    assert "inconclusive (alone it would be consistent)" in said(verdict(unadjusted="consistent"))


def test_the_same_samples_are_a_computation_and_no_verdict() -> None:
    same = verdict(
        verdict="computation reproduced", unadjusted="computation reproduced", reason="the same samples"
    )
    found = said(same)
    assert "fluency computation reproduced +0.50 +0.10 – – –" in " ".join(found.split())
    assert "Context" not in found and "expected from" not in found


def test_an_undefined_verdict_has_its_reason() -> None:
    nothing = Quantity(None, reason="new: too few blocks")
    found = said(
        verdict(
            verdict=None,
            unadjusted=None,
            reason="new: too few blocks",
            difference=nothing,
            prediction=nothing,
            d33=nothing,
            too_small=None,
        )
    )
    assert "fluency: undefined: new: too few blocks." in found and "Context" not in found


def test_a_rehearsal_is_marked_and_no_metric_in_common_said() -> None:
    assert "REHEARSAL" in said(verdict(), new=replace(NEW, rehearsal=True))
    assert "No metric in common: new has fluency; original has fluency." in said()


def test_80_columns_and_json() -> None:
    found = said(verdict("Hard Persona Adherence"), verdict("self_consistency"))
    assert max(map(len, found.splitlines())) <= 80
    content = agreement_json([verdict()], NEW, ORIGINAL)
    assert content["verdicts"][0]["trials_needed"]["value"] == 96.0
