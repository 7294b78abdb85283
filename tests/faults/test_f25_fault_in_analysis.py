"""F25: a fault in the analysis, after the last round, loses the results. Here they are on disk before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.experiments.cooperation import game as game_module
from harness.experiments.cooperation import indicators
from tests.support.cooperation import CASE, always, errors_in, load, played
from tests.support.sessions import Lab


def broken(*_: Any) -> Any:
    raise ZeroDivisionError("a fault in the analysis")


def test_an_indicator_that_cannot_be_computed_is_none_and_the_others_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        indicators, "INDICATORS", {**indicators.INDICATORS, "cooperation_despite_asymmetry": broken}
    )
    game, _ = played(tmp_path, always(cooperate=True))
    found = load(game.files.folder / "experiment_results.json")
    assert (found["status"], found["total_games"]) == ("complete", 6)
    lost = found["acausal_indicators"]["cooperation_despite_asymmetry"]
    assert lost["value"] is None and "ZeroDivisionError: a fault in the analysis" in lost["reason"]
    assert found["acausal_indicators"]["strategy_convergence"]["value"] == 0.0
    assert [line["kind"] for line in errors_in(game.files.folder)] == ["ZeroDivisionError"]


def test_raw_results_are_on_disk_before_anything_is_computed_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def look(*_: Any) -> Any:
        seen.append({path.name for path in tmp_path.rglob("*.json")})
        raise ZeroDivisionError("a fault in the analysis")

    monkeypatch.setattr(game_module, "summarised", look)
    monkeypatch.setattr(game_module, "indicators", look)
    with pytest.raises(ZeroDivisionError):
        played(tmp_path, always(cooperate=True))
    for number in (1, 2):
        assert {f"strategies_r{number}.json", f"games_r{number}.json"} <= seen[number - 1]
        assert f"summary_r{number}.json" not in seen[number - 1]
    assert "experiment_results.json" in seen[2]
    (folder,) = tmp_path.glob("exp_*")
    found = load(folder / "experiment_results.json")
    assert (found["status"], found["total_games"]) == ("complete", 6)
    assert "could not be computed" in found["round_summaries"][0]["problem"]


def test_in_a_session_every_decision_is_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indicators, "INDICATORS", dict.fromkeys(indicators.INDICATORS, broken), raising=True)
    lab.write(CASE.format(arguments="4, rounds=2"))
    lab.run("-k", "baseline").assert_outcomes(passed=1)
    (line,) = lab.lines("baseline", "game_result")
    assert all(one["value"] is not None for one in line["samples"])
    assert all(one["value"] is None and one["reason"] for one in line["acausal_indicators"].values())
    assert line["decisions"] == line["decisions_asked"] == 24
