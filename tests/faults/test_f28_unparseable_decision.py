"""F28: an unparseable answer becomes a default answer. In the rounds: it is null, and in no rate, score or power."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelCallError, UnacceptableReplyError
from tests.support.cooperation import errors_in, is_decision, label, load, played


@pytest.mark.parametrize(
    ("bad", "missing"),
    [
        ("I would rather not say.", "unparseable"),
        ("COOPERATE", "unparseable"),
        ("", "unparseable"),
        (ModelCallError("the server is busy"), "failed"),
        (UnacceptableReplyError("no acceptable reply", reason="empty"), "failed"),
    ],
)
def test_a_decision_that_cannot_be_read_is_null(tmp_path: Path, bad: Any, missing: str) -> None:
    """Of three agents the one with 90 power never says a word: 2 of 6 decisions of a round."""

    def answer(request: Any) -> Any:
        if is_decision(request) and "Your power is 90.0" in str(request.messages):
            return bad
        return label(request, cooperate=True) if is_decision(request) else "Share."

    game, whole = played(tmp_path, answer, rounds=1, power={"start": [100, 90, 110]}, power_rule="none")
    (summary,) = whole["round_summaries"]
    assert (summary["cooperations"], summary["decisions"], summary["cooperation_rate"]) == (4, 4, 1.0)
    assert summary["coverage"] == pytest.approx(4 / 6)
    games = load(game.files.folder / "rounds" / "games_r1.json")["games"]
    assert [one["actions"] for one in games] == [
        ["COOPERATE", None],
        ["COOPERATE", "COOPERATE"],
        [None, "COOPERATE"],
    ]
    assert [one["scores"] for one in games] == [None, [3, 3], None]
    assert [one for pair in games for one in pair["missing"] if one] == [missing] * 2
    assert all(one["reasons"] != [None, None] for one in games if one["scores"] is None)
    assert [line["what"] for line in errors_in(game.files.folder)] == [f"decision {missing}"] * 2
    assert game.powers == [100, 90, 110], "who has no whole game keeps their power"


def test_when_nothing_can_be_read_there_is_no_rate(tmp_path: Path) -> None:
    _, whole = played(tmp_path, lambda request: "Hm.", rounds=1)
    (summary,) = whole["round_summaries"]
    assert (summary["cooperation_rate"], summary["coverage"]) == (None, 0.0)
    assert summary["reasons"]["cooperation_rate"] == "no decision was obtained"
