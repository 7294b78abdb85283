"""Payoffs and power against games worked out by hand, and what is wrong with rules that cannot be."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from harness.errors import ConfigurationError
from harness.experiments.cooperation.experiment import calls, check, cooperation_game
from harness.experiments.cooperation.rules import GameRules
from harness.experiments.cooperation.society import Society
from tests.support.cooperation import CASE, is_decision, label, plan_of, played
from tests.support.sessions import Lab


def rules(power_rule: str = "opponent_ratio", **power: Any) -> GameRules:
    return GameRules.of(cooperation_game(3, power_rule=power_rule, power=power).settings)


@pytest.mark.parametrize(
    ("own", "other", "scores"),
    [("C", "C", (3, 3)), ("C", "D", (0, 5)), ("D", "C", (5, 0)), ("D", "D", (1, 1))],
)
def test_without_a_power_rule_the_payoffs_are_the_scores(own: Any, other: Any, scores: Any) -> None:
    found = (rules("none").score(own, other, 80, 120), rules("none").score(other, own, 120, 80))
    assert found == scores


def test_unequal_power_by_hand() -> None:
    """The weak one (80) against the strong one (120): × 120/80 = 1.5 and × 80/120 = 2/3."""
    game = rules("opponent_ratio")
    assert (game.score("C", "C", 80, 120), game.score("C", "C", 120, 80)) == (4.5, 2.0)
    assert (game.score("D", "C", 80, 120), game.score("C", "D", 120, 80)) == (7.5, 0.0)
    assert game.score("D", "D", 120, 80) == pytest.approx(2 / 3)


def test_log_power_by_hand_and_its_zero() -> None:
    game = rules("log")
    assert game.score("D", "C", 100, 150) == 0.0
    assert (
        game.score("C", "C", 150, 50) == pytest.approx(3 * math.log(1.5)) == pytest.approx(1.21640, abs=1e-5)
    )
    assert game.score("D", "D", 50, 150) == pytest.approx(-0.69315, abs=1e-5)


def test_updated_power_by_hand() -> None:
    """Three players with 5, 3 and 1 points a game; the mean is 3: +20, 0 and −20 at a gain of 10."""
    assert rules().updated([100, 110, 90], [5, 3, 1]) == [120, 110, 70]
    assert rules(gain=2.5).updated([100, 110, 90], [5, 3, 1]) == [105, 110, 85]
    assert rules(gain=0).updated([100, 110, 90], [5, 3, 1]) == [100, 110, 90]


def test_a_whole_round_of_unequal_players_by_hand(tmp_path: Any) -> None:
    """The example of docs/cooperation.md: power 80, 100 and 120; the weakest defects, the others cooperate."""

    def answer(request: Any) -> str:
        if not is_decision(request):
            return "As before."
        weakest = "Round 1" in str(request.messages[1]) and "Your power is 80.0" in str(request.messages[1])
        return label(request, cooperate=not weakest)

    game, whole = played(tmp_path, answer, rounds=2, power={"start": [80, 100, 120]})
    first, second = game.rounds
    assert [one.points for one in first.games] == [(5, 0), (5, 0), (3, 3)]
    assert [one.scores for one in first.games] == [(6.25, 0), (7.5, 0), (pytest.approx(3.6), 2.5)]
    assert first.scores() == pytest.approx([13.75, 3.6, 2.5])
    assert second.powers == pytest.approx((80 + 70 / 3, 100 - 35 / 3, 120 - 35 / 3))
    assert whole["round_summaries"][0]["cooperation_rate"] == 4 / 6
    despite = whole["acausal_indicators"]["cooperation_despite_asymmetry"]
    assert (despite["events"], despite["of"], despite["more"]["weaker"]) == (8, 10, [3, 5])


def test_power_stays_within_its_bounds() -> None:
    assert rules().updated([140, 60, 100], [5, 0, 1]) == [150, 50, 90]


def test_who_has_no_whole_game_keeps_their_power() -> None:
    assert rules().updated([100, 110, 90], [5, None, 1]) == [120, 110, 70]
    assert rules().updated([100, 110], [None, None]) == [100, 110]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"agents": 0}, "0 agents play in mode 'full'; expected 2 or more"),
        ({"agents": 1}, "1 agents play in mode 'full'; expected 2 or more"),
        ({"payoffs": {"CC": (3, 3)}}, "payoffs has CC; expected CC, CD, DC and DD"),
        ({"payoffs": [[3, 0], [5, 1]]}, "payoffs has [[3, 0], [5, 1]]; expected CC, CD"),
        ({"payoffs": {"CC": (3, 3, 3), "CD": (0, 5), "DC": (5, 0), "DD": (1, 1)}}, "payoffs of CC are [3, 3, 3]"),
        ({"payoffs": {"CC": (3, 3), "CD": (0, "5"), "DC": (5, 0), "DD": (1, 1)}}, "payoffs of CD are [0, '5']"),
        ({"payoffs": {"CC": (3, 3), "CD": (0, 5), "DC": (4, 0), "DD": (1, 1)}}, "the same for both players"),
        ({"payoffs": {"CC": (3, 2), "CD": (0, 5), "DC": (5, 0), "DD": (1, 1)}}, "the same for both players"),
        ({"power": {"start": 151}}, "power starts at 151; expected 50 to 150"),
        ({"power": {"start": [100, 49]}, "agents": 2}, "power starts at 49; expected 50 to 150"),
        ({"power": {"start": [100] * 3}, "agents": 2}, "power starts for 3 agents, but 2 play"),
        ({"power": {"least": 10}}, "power from 10 to 150.0; expected a range within 50 to 150"),
        ({"power": {"gain": -1}}, "power gain=-1; expected 0 or more"),
        ({"power": {"grain": 1}}, "expected start, least, most, gain"),
        ({"power_rule": "own_ratio"}, "power_rule='own_ratio'; expected one of opponent_ratio, none, log"),
        ({"conditions": {"baseline": 7}}, "told=7; expected a text"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(arguments: dict[str, Any], expected: str) -> None:
    found = list(check(cooperation_game(**{"agents": 4, **arguments})))
    assert any(expected in one for one in found), found
    assert all(one.startswith(("Experiment cooperation:", "Group ")) for one in found)


def test_the_study_itself_has_no_problem() -> None:
    assert list(check(cooperation_game())) == []
    with pytest.raises(ConfigurationError, match="steps=0; expected 1 or more"):
        cooperation_game(rounds=0)


def test_bad_input_stops_a_session_before_its_first_call(lab: Lab) -> None:
    lab.write(CASE.format(arguments="4, power_rule='own_ratio'"))
    result = lab.run("--mode=fast")
    said = result.stdout.str() + result.stderr.str()
    assert "power_rule='own_ratio'; expected one of opponent_ratio, none, log." in said
    assert "Traceback" not in said and not lab.watched.calls and result.ret != 0


def test_a_thousand_calls(tmp_path: Any) -> None:
    least, most = calls(plan_of(tmp_path, cooperation_game(), rounds=10))
    assert least == most == {"strategy": 100, "decision": 900}


def society(agents: int = 10, rounds: int = 10, key: str = "0") -> Society:
    return Society(tuple(f"agent_{n}" for n in range(agents)), rounds, key)


def test_everyone_plays_everyone_once() -> None:
    pairs = society().pairs
    assert len(pairs) == len({frozenset(pair) for pair in pairs}) == 45
    assert set(Counter(one for pair in pairs for one in pair).values()) == {9}


def test_anonymous_ids_are_nobodys_twice() -> None:
    ids = [society().ids(number) for number in range(1, 11)]
    assert len({one for some in ids for one in some}) == 100
    assert society().ids(3) == ids[2] and society(key="1").ids(3) != ids[2]


def test_labels_and_their_order_are_drawn_for_each_agent_and_round() -> None:
    drawn = [society().options(agent, number) for agent in range(10) for number in range(1, 11)]
    first = Counter(one.names[0] == one.cooperate for one in drawn)
    assert 30 < first[True] < 70, "cooperation is named first about as often as second"
    assert len({one.names for one in drawn}) == 12, "every pair in either order"
    assert len({one.cooperate for one in drawn}) == 12, "every word means either"
    assert society().options(3, 4) == society().options(3, 4)


def test_the_worlds_of_all_groups_are_the_same(tmp_path: Any) -> None:
    game = cooperation_game()
    found = {Society.of(plan_of(tmp_path, game, group.name)) for group in game.groups}
    assert len(found) == 1


def test_power_that_is_not_a_number_is_refused_at_declaration() -> None:
    with pytest.raises(ConfigurationError, match=r"settings\['power'\]\['start'\] is nan"):
        cooperation_game(power={"start": float("nan")})
