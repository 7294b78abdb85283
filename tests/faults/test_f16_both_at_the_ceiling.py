"""F16: both arms sit at the ceiling, and the tie is called a finding. Here it is a FAIL of the instrument."""

from __future__ import annotations

from harness.model import Level
from tests.support.instruments import bad, filed, scored, sound, the


def test_a_tie_at_the_ceiling_is_no_finding() -> None:
    found = the(filed(scored(sound(), "Divergence", lambda *_: 9)), "saturation", "Divergence")
    assert (found.level, found.number) == (Level.FAIL, 1.0)
    assert found.message == "100 % at 9 (the ceiling) in Control, 100 % at 9 (the ceiling) in Treatment"


def test_a_tie_at_the_floor_neither() -> None:
    assert bad(filed(scored(sound(), "Fluency", lambda *_: 0)))["saturation", "Fluency"] is Level.FAIL


def test_a_tie_of_scores_that_vary_is_one() -> None:
    values = {
        record["trial"].replace("Treatment", "Control"): number for number, record in enumerate(sound())
    }
    tied = scored(
        sound(), "Divergence", lambda one, _: values[one["trial"].replace("Treatment", "Control")] % 9
    )
    assert ("saturation", "Divergence") not in bad(filed(tied))
