"""Time: arms in blocks, arms in turns, arms at the same time; and scores that drift."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from harness.model import Level
from tests.support.instruments import bad, filed, sound, the
from tests.support.records import START

Record = dict[str, Any]


def timed(order: Callable[[Record], Any], minutes: float = 1, lasting: float = 0.8) -> list[Record]:
    """A run whose trials begin in this order, ``minutes`` apart, each ``lasting`` minutes."""
    records = sorted(sound(), key=order)
    for number, record in enumerate(records):
        begin = START + timedelta(minutes=minutes * number)
        record["started"], record["ended"] = (
            begin.isoformat(),
            (begin + timedelta(minutes=lasting)).isoformat(),
        )
    return records


def arm_first(record: Record) -> Any:
    return (record["group"], record["rep"], record["panel"], record["proposal"])


def rep_by_rep(record: Record) -> Any:
    return (record["rep"], record["group"], record["panel"], record["proposal"])


@pytest.mark.parametrize(
    ("order", "level", "number"),
    [(arm_first, Level.FAIL, 1.0), (rep_by_rep, Level.PASS, 0.5)],
    ids=["one arm, then the other", "rep by rep"],
)
def test_arms_in_blocks(order: Callable[[Record], Any], level: Level, number: float) -> None:
    found = the(filed(timed(order)), "order")
    assert (found.level, found.number) == (level, number)


def test_turns_that_lean_to_one_side() -> None:
    late = [r for r in timed(arm_first) if r["group"] == "Treatment"][:2]
    records = timed(lambda r: (r["trial"] not in {one["trial"] for one in late}, *arm_first(r)))
    found = the(filed(records), "order")
    assert (found.level, round(found.number or 0, 2)) == (Level.WARN, 0.67)
    assert found.message == "Control ran first, so drift would look like an effect (r = +0.67)"


def test_trials_under_way_at_the_same_time_have_no_order() -> None:
    records = timed(arm_first, minutes=0.001, lasting=10)
    assert the(filed(records), "order").number == 0


def test_records_without_times_are_said_to_have_none() -> None:
    records = [{**record, "started": None} for record in sound()]
    found = the(filed(records), "order")
    assert (found.level, found.number, found.message) == (Level.PASS, None, "the records have no timestamps")


def drifting(slope: float) -> list[Record]:
    """A run in which every Divergence is higher the later its trial began."""
    records = sound()
    for record in records:
        for sample in record["samples"]:
            if sample["metric"] == "Divergence":
                minutes = records.index(record)
                sample["value"] = (minutes * slope + sample["value"]) if slope else sample["value"]
    return records


def test_scores_that_follow_the_clock() -> None:
    found = bad(filed(drifting(10)))
    assert found["drift", "Divergence"] is Level.WARN
    assert ("drift", "Fluency") not in found
    assert ("drift", "Divergence") not in bad(filed(drifting(0)))


def test_blocks_done_in_order_are_no_drift() -> None:
    def order(record: Record) -> Any:
        return (record["panel"], record["proposal"], record["rep"], record["group"])

    records = timed(order)
    for record in records:
        for sample in record["samples"]:
            if sample["metric"] == "Divergence":
                sample["value"] = (
                    3 * record["panel"] + record["proposal"] + (record["rep"] + record["proposal"]) % 2
                )
    assert ("drift", "Divergence") not in bad(filed(records))
