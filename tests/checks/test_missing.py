"""Missing values: how many, where, what they could hide, and which N stand side by side."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model import Level
from tests.support.instruments import bad, filed, scored, sound, the
from tests.support.records import failed, trials

DESIGN_TRIALS = 12


def without(arm: str, trials_lost: int, metric: str = "Divergence") -> list[dict[str, Any]]:
    """A run whose first trials of ``arm`` have no value of ``metric``."""
    lost = [record["trial"] for record in sound() if record["group"] == arm][:trials_lost]
    values = {record["trial"]: record["rep"] + record["proposal"] for record in sound()}
    return scored(
        sound(), metric, lambda record, _: None if record["trial"] in lost else values[record["trial"]]
    )


@pytest.mark.parametrize(
    ("lost", "overall", "unequal"),
    [
        (0, Level.PASS, Level.PASS),
        (1, Level.PASS, Level.WARN),
        (2, Level.WARN, Level.WARN),
        (3, Level.WARN, Level.FAIL),
        (6, Level.FAIL, Level.FAIL),
    ],
)
def test_by_the_rule_of_five_and_twenty(lost: int, overall: Level, unequal: Level) -> None:
    run = filed(without("Treatment", lost))
    assert the(run, "missing", "Divergence").level is overall
    assert the(run, "missing, unequal", "Divergence").level is unequal


def test_the_counts_stand_with_their_denominators_and_the_reason() -> None:
    found = the(filed(without("Treatment", 3)), "missing", "Divergence")
    assert found.message == "0 of 12 in Control, 3 of 12 in Treatment missing; extraction failed"
    assert found.number == 3 / 24


def test_what_missing_scores_could_be_at_worst() -> None:
    records = scored(sound(), "Divergence", lambda record, _: 6 if record["group"] == "Treatment" else 5)
    gone = [record for record in records if record["group"] == "Treatment"][:4]
    scored(gone, "Divergence", lambda *_: None)
    found = the(filed(records), "missing, at worst", "Divergence")
    assert found.message == "Treatment − Control lies between -1.00 and +2.00 for any missing scores"
    assert (found.level, found.number) == (
        Level.WARN,
        3.0,
    )  # (8 × 6 + 4 × 0) / 12 − 5 to (8 × 6 + 4 × 9) / 12 − 5


def test_a_count_has_no_worst_case() -> None:
    found = the(filed(without("Treatment", 2, "ideas_qty")), "missing, at worst", "ideas_qty")
    assert (found.level, found.number) == (Level.PASS, None)


def test_trials_that_failed_are_missing_and_trials_that_are_still_to_come_are_not() -> None:
    whole = sound()
    lost = list(trials(filed([]).design, groups=["Treatment"]))[:6]
    ids = {trial.id for trial in lost}
    to_come = [record for record in whole if record["trial"] not in ids]
    assert ("missing", "Fluency") not in bad(filed(to_come))
    tried = filed([*to_come, *map(failed, lost)])
    assert bad(tried)["missing", "Fluency"] is Level.FAIL
    assert the(tried, "missing", "Fluency").message.endswith(
        "12 of 24 in Treatment missing; the trial did not finish"
    )


def test_different_n_in_one_table_are_told_whatever_the_reason() -> None:
    half = [record for record in sound() if record["group"] == "Control" or record["rep"] == 1]
    found = the(filed(half), "denominators", "Fluency")
    assert (found.level, found.number) == (Level.WARN, 0.5)
    assert found.message == "N = 24 in Control, 12 in Treatment"
