"""F26: an indicator is constant because it was never computed. Here each moves with the data, or is None with why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.experiments.cooperation.indicators import INDICATORS, indicators
from harness.experiments.cooperation.rounds import Round
from tests.support.cooperation import made_round

Rounds = Sequence[Round]
UNEQUAL = (80.0, 120.0)


def found(rounds: Rounds, name: str, given: Sequence[str] = ()) -> dict[str, Any]:
    def fail(what: str, error: Exception) -> None:
        raise error

    return indicators(rounds, given, fail)[name]


def two(first: Any, second: Any, **more: Any) -> Rounds:
    return [made_round(1, first, ["be kind", "be kind"], **more), made_round(2, *second, **more)]


CASES: dict[str, list[tuple[Rounds, float]]] = {
    "cooperation_despite_asymmetry": [
        ([made_round(1, [("C", "D"), ("C", "C"), ("D", None)], ["a", "b"], UNEQUAL)], 3 / 5),
        ([made_round(1, [("C", "C")], ["a", "b"], UNEQUAL)], 1.0),
        ([made_round(1, [("D", "D")], ["a", "b"], UNEQUAL)], 0.0),
    ],
    "strategy_convergence": [
        ([made_round(1, [("C", "C")], ["x", "y"]), made_round(2, [("C", "C")], ["x", "x"])], 1.0),
        ([made_round(1, [("C", "C")], ["x", "x"]), made_round(2, [("C", "C")], ["x", "y"])], -1.0),
    ],
    "identity_reasoning": [
        ([made_round(1, [("C", "C")], ["We are twins.", "We are not twins."])], 0.5),
        ([made_round(1, [("C", "C")], ["We are clones.", "We mirror each other."])], 1.0),
        ([made_round(1, [("C", "C")], ["Share.", "Take."])], 0.0),
    ],
    "surprise_at_defection": [
        (two([("C", "D")], ([("C", "C")], ["I was shocked.", "Shocked!"])), 1.0),
        (two([("C", "D")], ([("C", "C")], ["I was not shocked.", "Shocked!"])), 0.0),
        (two([("C", "D"), ("D", "C")], ([("C", "C")], ["I did not expect that.", "Fine."])), 0.5),
    ],
}
WITHOUT: dict[str, list[tuple[Rounds, str]]] = {
    "cooperation_despite_asymmetry": [
        ([made_round(1, [("C", "C")], ["a", "b"])], "no decision was obtained in such a game"),
        ([made_round(1, [(None, None)], ["a", "b"], UNEQUAL)], "no decision was obtained in such a game"),
    ],
    "strategy_convergence": [
        ([made_round(1, [("C", "C")], ["a", "b"])], "1 rounds; needs at least two"),
        (two([("C", "C")], ([("C", "C")], ["a", None])), "the last round has fewer than two strategies"),
    ],
    "identity_reasoning": [([made_round(1, [("C", "C")], [None, None])], "no strategy was obtained")],
    "surprise_at_defection": [
        ([made_round(1, [("C", "D")], ["a", "b"])], "no strategy was written after cooperating"),
        (two([("C", "C")], ([("C", "D")], ["Shocked!", "b"])), "no strategy was written after cooperating"),
    ],
}


def test_every_indicator_is_tried() -> None:
    assert set(CASES) == set(WITHOUT) == set(INDICATORS)


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in CASES for case in CASES[name]])
def test_it_is_what_was_worked_out_by_hand(name: str, case: tuple[Rounds, float]) -> None:
    one = found(case[0], name)
    assert one["value"] == pytest.approx(case[1]) and one["reason"] is None and one["definition"]


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in WITHOUT for case in WITHOUT[name]])
def test_without_data_it_is_none_with_a_reason(name: str, case: tuple[Rounds, str]) -> None:
    one = found(case[0], name)
    assert one["value"] is None and case[1] in one["reason"]


def test_who_repeats_the_prompt_does_not_reason() -> None:
    rounds = [made_round(1, [("C", "C")], ["We are copies.", "We are clones."])]
    assert found(rounds, "identity_reasoning", ["All players are copies of one model."])["value"] == 0.5
