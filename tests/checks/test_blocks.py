"""What a difference rests on: enough blocks, and more than one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.model import Level
from tests.support.instruments import DESIGN, bad, filed, scored, sound, the


@pytest.mark.parametrize(("proposals", "level"), [(2, Level.WARN), (3, Level.PASS)])
def test_six_blocks_are_the_fewest_that_can_show_anything(proposals: int, level: Level) -> None:
    design = replace(DESIGN, proposals=proposals)
    found = the(filed(sound(design), design=design), "blocks", "Fluency")
    assert (found.level, found.number) == (level, 2.0 * proposals)


def test_a_block_without_scores_in_one_arm_is_none() -> None:
    records = [r for r in sound() if (r["group"], r["panel"], r["proposal"]) != ("Treatment", 0, 0)]
    assert bad(filed(records))["blocks", "Fluency"] is Level.WARN


def heavy(height: float, others: float) -> list[dict[str, Any]]:
    """A run in which Treatment is higher by ``height`` in one block and by ``others`` in the rest."""

    def value(record: dict[str, Any], _: str | None) -> float:
        gain = height if (record["panel"], record["proposal"]) == (1, 2) else others
        return record["rep"] + record["proposal"] + (gain if record["group"] == "Treatment" else 0)

    return scored(sound(), "ideas_qty", value)


@pytest.mark.parametrize(
    ("height", "others", "level"),
    [
        (1, 0, Level.WARN),
        (6, -0.2, Level.WARN),
        (1, -0.1, Level.PASS),
        (2, 1, Level.PASS),
        (0, 0, Level.PASS),
    ],
    ids=["one event", "one outlier", "hardly a difference", "all blocks", "none"],
)
def test_a_difference_that_rests_on_one_block(height: float, others: float, level: Level) -> None:
    assert the(filed(heavy(height, others)), "one block", "ideas_qty").level is level


def test_it_is_named() -> None:
    found = the(filed(heavy(6, -0.2)), "one block", "ideas_qty")
    said = "Treatment − Control is +0.83; -0.20 without one of 6 blocks (driven by panel 1, proposal 2)"
    assert found.message == said
    assert round(found.number or 0, 2) == -0.2


def test_a_loss_counts_like_a_gain() -> None:
    assert the(filed(heavy(-6, 0.2)), "one block", "ideas_qty").level is Level.WARN


def test_a_difference_that_rests_on_one_persona_names_it() -> None:
    design = replace(DESIGN, panels=(("Ada",), ("Bo",), ("Cy",), ("Dee",)), proposals=1)

    def value(record: dict[str, Any], _: str | None) -> float:
        return record["rep"] + (3.0 if (record["panel"], record["group"]) == (1, "Treatment") else 0)

    found = the(filed(scored(sound(design), "ideas_qty", value), design=design), "one block", "ideas_qty")
    assert found.message == "Treatment − Control is +0.75; +0.00 without one of 4 personas (driven by Bo)"
