"""F04: a failed extraction is a missing sample that is counted and named, in the arm that lost it."""

from __future__ import annotations

import harness.stats
from harness.model import Level, Trial
from harness.records import build, outcomes
from tests.support.instruments import filed, scored, sound, the
from tests.support.records import SMALL, failed, finished, trials


def lost(trial: Trial) -> bool:
    return trial.cell.group == "Treatment" and trial.panel == 1


def test_a_missing_sample_is_counted_with_its_reason() -> None:
    records = [finished(trial, SMALL) for trial in trials(SMALL)]
    for trial, record in zip(trials(SMALL), records, strict=True):
        for sample in record["samples"]:
            if lost(trial) and sample["metric"] == "ideas_qty":
                sample |= {"value": None, "reason": "extraction failed after 3 attempts"}
    artifact, meta = build("exp_3", outcomes(records), SMALL, stats=harness.stats)
    assert len(artifact["experiments"]["Treatment"]["results"]["ideas_qty"]) == 4
    assert meta["samples"]["Treatment"]["ideas_qty"]["missing"] == 4
    assert meta["samples"]["Control"]["ideas_qty"]["missing"] == 0
    assert meta["warnings"] == ["ideas_qty: samples are missing (8 of 8 in Control, 4 of 8 in Treatment)."]
    assert [entry["trial"] for entry in meta["missing_samples"]] == [
        trial.id for trial in trials(SMALL) if lost(trial)
    ]
    assert {entry["reason"] for entry in meta["missing_samples"]} == {"extraction failed after 3 attempts"}


def test_a_sample_that_a_record_never_mentions_is_missing_too() -> None:
    records = [finished(trial, SMALL) for trial in trials(SMALL)]
    records[0]["samples"] = [s for s in records[0]["samples"] if s["metric"] != "ideas_qty"]
    meta = build("exp_3", outcomes(records), SMALL, stats=harness.stats)[1]
    assert meta["missing_samples"] == [
        {
            "metric": "ideas_qty",
            "group": "Control",
            "trial": "exp_3/Control/rep1/panel0/proposal0",
            "person": None,
            "reason": "the record has no such sample",
        }
    ]


def test_a_failed_trial_keeps_its_group_unfinished() -> None:
    records = [(failed if lost(trial) else _whole)(trial) for trial in trials(SMALL)]
    artifact, meta = build("exp_3", outcomes(records), SMALL, stats=harness.stats)
    assert artifact["finished_experiments"] == ["Control"]
    assert meta["samples"]["Treatment"]["Fluency"] == {
        "expected": 16, "obtained": 8, "unfinished": 8, "missing": 0,
    }  # fmt: skip


def _whole(trial: Trial) -> dict[str, object]:
    return finished(trial, SMALL)


def test_a_short_and_unequal_n_is_a_fault_of_the_instrument() -> None:
    lost = [one["trial"] for one in sound() if one["group"] == "Treatment"][:3]
    records = scored(sound(), "ideas_qty", lambda one, _: None if one["trial"] in lost else one["rep"])
    assert the(filed(records), "missing", "ideas_qty").level is Level.WARN
    found = the(filed(records), "missing, unequal", "ideas_qty")
    assert (found.level, found.number) == (Level.FAIL, 0.25)
    assert found.message == "missing 0 of 12 in Control, 3 of 12 in Treatment"


def test_a_whole_n_is_none() -> None:
    assert the(filed(sound()), "missing, unequal", "ideas_qty").level is Level.PASS
