"""The least and the most calls of planned trials, by hand: three people, two steps and the introduction's."""

from __future__ import annotations

import pytest
from support.plans import VARIETY, plan

from harness.model import Correction, Intervention
from harness.plugin.expected_calls import expected_calls

FREE = Intervention("free", "Oh.")
ALWAYS = {"act": 10, "extract": 1, "score_person": 6, "score_panel": 1}
REMEMBERED = {**ALWAYS, "consolidate": 5, "minibio": 3}
CHECKED = {"quality_check": 10}


@pytest.mark.parametrize(
    ("engine", "changes", "least", "most"),
    [
        ("embedded", {}, ALWAYS, ALWAYS),
        ("embedded", {"interventions": (FREE,)}, ALWAYS, ALWAYS),
        ("embedded", {"interventions": (VARIETY,)}, ALWAYS, {**ALWAYS, "intervention_check": 9}),
        (
            "embedded",
            {"correction": Correction(5, 2)},
            {**ALWAYS, **CHECKED},
            {**ALWAYS, "quality_check": 30, "regenerate": 20},
        ),
        (
            "embedded",
            {"correction": Correction(5, 2, regeneration=False)},
            {**ALWAYS, **CHECKED},
            {**ALWAYS, **CHECKED},
        ),
        ("tinytroupe", {}, REMEMBERED, REMEMBERED),
        (
            "tinytroupe",
            {"correction": Correction(5, 2), "interventions": (VARIETY,)},
            {**REMEMBERED, **CHECKED, "combine": 10, "intervention_check": 9},
            {**REMEMBERED, "quality_check": 30, "combine": 30, "regenerate": 20, "intervention_check": 9},
        ),
    ],
)
def test_least_and_most(
    engine: str, changes: dict[str, object], least: dict[str, int], most: dict[str, int]
) -> None:
    assert expected_calls(engine, [plan(**changes)]) == (least, most)
    assert expected_calls(engine, [plan(**changes)] * 2)[1] == {kind: 2 * n for kind, n in most.items()}
