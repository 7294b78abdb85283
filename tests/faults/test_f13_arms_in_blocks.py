"""F13: the arms of a block start together, in seeded random order, so that drift in time hits all alike.

Where they did not, a check of the instrument says so.
"""

from __future__ import annotations

import pytest

from harness.model import Level
from tests.support.instruments import filed, sound, the
from tests.support.sessions import SMALL, Lab

BLOCKS = 12
MANY = SMALL.replace(
    '({"thing": "a bicycle"}, {"thing": "a lamp"})',
    f'tuple({{"thing": str(number)}} for number in range({BLOCKS}))',
)


def arms_in_order(lab: Lab, *options: str) -> list[str]:
    """``Control`` or ``Treatment`` of each trial, in the order of their first calls, one trial at a time."""
    lab.write(MANY)
    lab.watched.forget()
    lab.run("--concurrency=1", "--fresh", *options).assert_outcomes(passed=2)
    return [trial.split("/")[1] for trial in dict.fromkeys(lab.watched.calls)]


def test_the_arms_take_turns_within_every_block(lab: Lab) -> None:
    arms = arms_in_order(lab)
    trials = list(dict.fromkeys(lab.watched.calls))
    assert len(trials) == 2 * BLOCKS
    for first, second in zip(trials[::2], trials[1::2], strict=True):
        assert first.replace("Treatment", "Control") == second.replace("Treatment", "Control")
        assert first != second
    assert set(arms[::2]) == {"Control", "Treatment"}, "the same arm always went first"


def test_the_order_comes_from_the_seed(lab: Lab) -> None:
    first, again, other = (arms_in_order(lab, f"--seed={seed}") for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("option", ["--pdb", "--setup-show"])
def test_cells_that_run_one_by_one_take_turns_rep_by_rep(lab: Lab, option: str) -> None:
    lab.run("--mode=long", option).assert_outcomes(passed=6)
    cells = list(dict.fromkeys(tuple(trial.split("/")[1:3]) for trial in lab.watched.calls))
    assert [rep for _, rep in cells] == ["rep1", "rep1", "rep2", "rep2", "rep3", "rep3"]


def test_a_run_that_did_one_arm_after_the_other_fails_its_check() -> None:
    whole = sound()
    times = sorted((one["started"], one["ended"]) for one in whole)
    blocked = sorted(whole, key=lambda one: one["group"])
    for record, (begin, end) in zip(blocked, times, strict=True):
        record |= {"started": begin, "ended": end}
    found = the(filed(blocked), "order")
    assert (found.level, found.number) == (Level.FAIL, 1.0)
    assert the(filed(sound()), "order").level is Level.PASS


def test_a_sessions_own_order_passes_it(lab: Lab) -> None:
    arms_in_order(lab)
    (check,) = [one for one in lab.meta()["instrument"]["checks"] if one["name"] == "order"]
    assert check["level"] == "PASS"
    assert abs(check["number"]) <= 0.1
