"""The formula of a trial's calls, against counts of whole published experiments."""

from __future__ import annotations

import pytest

from harness.engines.tinytroupe import expected_calls

CERTAIN = ("act", "quality_check", "combine", "intervention_check", "extract", "score_person", "score_panel")


@pytest.mark.parametrize(
    ("people", "steps", "correction", "interventions", "calls"),
    [
        (5, 5, False, 0, (31, 0, 0, 0, 1, 15, 2)),
        (5, 5, True, 0, (31, 31, 31, 0, 1, 15, 2)),
        (5, 10, True, 1, (56, 56, 56, 55, 1, 15, 2)),
        (4, 10, False, 1, (45, 0, 0, 44, 1, 12, 2)),
        (1, 1, False, 2, (3, 0, 0, 4, 1, 3, 2)),
    ],
)
def test_calls_by_kind(
    people: int, steps: int, correction: bool, interventions: int, calls: tuple[int, ...]
) -> None:
    found = expected_calls(people, steps, correction, interventions, 3, 2, True)
    assert tuple(found[kind] for kind in CERTAIN) == calls
    assert found["regenerate"] == 0
    assert found["minibio"] == people


def test_nobody_sums_up_when_nothing_is_extracted() -> None:
    found = expected_calls(5, 5, False, 0, 0, 0, False)
    assert found["act"] == 30
    assert found["extract"] == found["score_person"] == found["score_panel"] == 0
