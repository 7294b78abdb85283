"""F42: the judge of the outcome is the judge that the treatment was optimised against. Here that is said."""

from __future__ import annotations

from harness.model import Level
from tests.support.instruments import filed, first_lines, sound, the
from tests.support.sessions import SMALL, Lab

CORRECTED = SMALL.replace('Group("Treatment")', 'Group("Treatment", correction=Correction())')


def test_correction_by_the_model_that_judges() -> None:
    same = {"judge_model": None}
    found = the(filed(sound(), first_lines(Control=same, Treatment=same)), "judge")
    assert (found.level, found.number) == (Level.WARN, 1)
    assert found.message.startswith("Treatment: the model that scores the outcome also drove the correction")
    assert "score with another model" in found.threshold


def test_a_judge_apart_from_the_player() -> None:
    assert the(filed(sound()), "judge").level is Level.PASS


def test_a_session_says_so(lab: Lab) -> None:
    lab.write(CORRECTED)
    lab.run().stdout.fnmatch_lines(["*WARN judge: Treatment: *"])


def test_a_session_with_another_judge_does_not(lab: Lab) -> None:
    lab.write(CORRECTED)
    lab.run("--judge-model=rehearsal").stdout.no_fnmatch_line("*WARN judge*")
