"""Similarity, wording and summaries against cases worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.experiments.cooperation.rounds import Game, PlayerDecision, Round, Strategy, summarised
from harness.experiments.cooperation.similarity import mean_similarity
from harness.experiments.cooperation.wording import not_given, says
from tests.support.cooperation import made_round


def test_equal_texts_are_wholly_alike_and_disjoint_ones_not_at_all() -> None:
    assert mean_similarity(["Always share what you have."] * 10) == 1.0
    assert mean_similarity(["always share", "never trust"]) == 0.0


def test_two_texts_by_hand() -> None:
    """Terms: a, b, "a b" and a, c, "a c"; df of a is 2, of the others 1; n is 2."""
    common, own = math.log(3 / 3) + 1, math.log(3 / 2) + 1
    expected = common**2 / (common**2 + 2 * own**2)
    assert mean_similarity(["a b", "a c"]) == pytest.approx(expected) == pytest.approx(0.2020, abs=1e-4)


def test_three_texts_are_the_mean_of_three_pairs() -> None:
    assert mean_similarity(["x y", "x y", "p q"]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("texts", [[], ["alone"], ["one", "", "…"]])
def test_fewer_than_two_texts_have_none(texts: list[str]) -> None:
    assert mean_similarity(texts) is None


@given(st.lists(st.text(max_size=60), max_size=6))
def test_it_is_a_share_whatever_is_written(texts: list[str]) -> None:
    found = mean_similarity(texts)
    assert found is None or (0.0 <= found <= 1.0 and found == mean_similarity(texts[::-1]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("We are identical.", True),
        ("We are surely not identical.", False),
        ("They aren’t identical to me.", False),
        ("Nobody is identical here; still, we are identical in mind.", True),
        ("It is not my turn. Identical minds choose alike.", True),
        ("The others think like me.", True),
        ("The others do not think like me.", False),
        ("identically", False),
        ("", False),
    ],
)
def test_negation_is_heeded(text: str, said: bool) -> None:
    assert says(text, ["identical", "think like me"]) is said


def test_words_that_agents_were_given_do_not_count() -> None:
    assert not_given(
        ["copies", "twins", "same model"], ["You are Copies, of one.", "the same old model"]
    ) == (
        "twins",
        "same model",
    )


def whole_round() -> Round:
    """Three agents; 0 cooperates with 1, who defects; 0 and 2 cooperate; of 1 and 2 one is missing."""
    c, d, none = PlayerDecision("C"), PlayerDecision("D"), PlayerDecision(None, "unparseable")
    games = (
        Game(0, 1, (c, d), (100.0, 80.0), (0.0, 5.0), (0.0, 6.25)),
        Game(0, 2, (c, c), (100.0, 120.0), (3.0, 3.0), (3.6, 2.5)),
        Game(1, 2, (d, none), (80.0, 120.0), None, None),
    )
    strategies = tuple(Strategy(f"a{n}", "be kind", "be kind", 2) for n in range(3))
    return Round(1, strategies, games, ("Player 7", "Player 8", "Player 9"), (100.0, 80.0, 120.0))


def test_a_summary_by_hand() -> None:
    found = summarised(whole_round())
    assert (found.cooperations, found.decisions, found.cooperation_rate) == (3, 5, 0.6)
    assert found.coverage == 5 / 6
    assert found.average_score == pytest.approx((3.6 + 6.25 + 2.5) / 3)
    assert found.score_distribution == {"min": 2.5, "max": 6.25, "avg": found.average_score}
    mean = found.average_score
    assert found.score_variance == pytest.approx(sum((x - mean) ** 2 for x in (3.6, 6.25, 2.5)) / 3)
    assert found.power_distribution == pytest.approx(
        {"mean": 100.0, "std": math.sqrt(800 / 3), "min": 80.0, "max": 120.0}
    )
    assert found.strategy_similarity == 1.0 and found.reasons == {}
    assert found.anonymized_games[2] == {
        "players": ["Player 8", "Player 9"],
        "actions": ["DEFECT", None],
        "powers": [80.0, 120.0],
        "scores": None,
    }
    assert whole_round().mean_points() == [1.5, 5.0, 3.0]


def test_of_nothing_there_is_no_rate_and_a_reason() -> None:
    found = summarised(made_round(1, [(None, None)], [None, "alone"]))
    assert (found.cooperation_rate, found.coverage, found.strategy_similarity) == (None, 0.0, None)
    assert set(found.reasons) == {"cooperation_rate", "strategy_similarity"}
