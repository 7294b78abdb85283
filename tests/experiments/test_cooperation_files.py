"""The folder of a trial: whose it is, what is in it, and what a resumed game takes from it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BudgetExhaustedError, HarnessError, ModelCallError, StoppedError
from harness.experiments.cooperation.data_manager import DataManager, folder_name
from harness.experiments.cooperation.experiment import cooperation_game
from harness.experiments.cooperation.game import CooperationGame
from harness.gateway.calls import Reply
from tests.support.cooperation import (
    MOMENT,
    RUN,
    Client,
    always,
    errors_in,
    game_of,
    is_decision,
    label,
    load,
    plan_of,
    played,
)

RESULT_KEYS = {
    "experiment_id", "start_time", "end_time", "total_rounds", "total_games", "total_api_calls", "total_cost",
    "round_summaries", "acausal_indicators", "status",
}  # fmt: skip
SUMMARY_KEYS = {
    "round", "cooperation_rate", "average_score", "score_variance", "power_distribution", "score_distribution",
    "anonymized_games", "strategy_similarity",
}  # fmt: skip


def opened(results: Path, trial: str = "t1", run: str = RUN, **configuration: Any) -> DataManager:
    return DataManager.open(results, run, trial, configuration, lambda: MOMENT)


def test_names_keep_the_pattern_and_never_collide(tmp_path: Path) -> None:
    folders = [opened(tmp_path, f"t{n}").folder.name for n in range(3)]
    assert folders == ["exp_20261120_205000", "exp_20261120_205000-2", "exp_20261120_205000-3"]
    assert opened(tmp_path, "t0", RUN.replace("abcdef", "012345")).folder.name == "exp_20261120_205000-4"
    assert [opened(tmp_path, f"t{n}").folder.name for n in range(3)] == folders, "each finds its own again"
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "exp_20261120_205000").mkdir()
    (tmp_path / "exp_20261120_205000" / "mine.txt").write_text("keep")
    assert opened(tmp_path).folder.name == "exp_20261120_205000-2"
    assert (tmp_path / "exp_20261120_205000" / "mine.txt").read_text() == "keep"


def test_a_run_without_a_moment_in_its_name() -> None:
    assert folder_name("../../etc") == "exp_______etc"


def test_another_configuration_is_one_clear_error_and_changes_nothing(tmp_path: Path) -> None:
    files = opened(tmp_path, rounds=10, power_rule="none")
    files.save_games(1, {"round": 1, "games": []})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    with pytest.raises(HarnessError) as raised:
        opened(tmp_path, rounds=3, power_rule="log")
    said = str(raised.value)
    assert "has another configuration" in said and "a new run" in said
    assert "rounds: 10 then, 3 now" in said and "power_rule: 'none' then, 'log' now" in said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


def test_a_torn_manifest_is_one_clear_error(tmp_path: Path) -> None:
    (opened(tmp_path).folder / "manifest.json").write_text('{"run_id": ')
    with pytest.raises(HarnessError, match=r"manifest\.json: is not JSON.*new run"):
        opened(tmp_path)


def test_errors_are_lines_of_json_and_told_once(tmp_path: Path) -> None:
    files = opened(tmp_path)
    files.log_error("decision failed", ValueError("no\nword"), round=1, agent="a")
    again = opened(tmp_path)
    again.log_error("decision failed", ValueError("no\nword"), round=1, agent="a")
    again.log_error("decision failed", ValueError("no\nword"), round=2, agent="a")
    first, second = errors_in(files.folder)
    assert (first["kind"], first["error"], first["round"], second["round"]) == (
        "ValueError",
        "no\nword",
        1,
        2,
    )
    assert first["timestamp"] == "2026-11-20T21:00:00+00:00"


def test_everything_that_was_asked_for_is_there(tmp_path: Path) -> None:
    game, whole = played(tmp_path, always(cooperate=True), agents=4, rounds=2)
    folder = game.files.folder
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    kinds = ("strategies", "games", "summary", "anonymous")
    rounds = {f"rounds/{kind}_r{number}.json" for kind in kinds for number in (1, 2)}
    assert names == rounds | {"manifest.json", "experiment_results.json", "partial_results.json"}
    result = load(folder / "experiment_results.json")
    assert result.keys() >= RESULT_KEYS and result["status"] == "complete"
    assert (result["total_rounds"], result["total_games"], result["total_api_calls"]) == (2, 12, 32)
    assert result["total_cost"] == pytest.approx(0.032)
    assert all(summary.keys() >= SUMMARY_KEYS for summary in result["round_summaries"])
    assert set(result["acausal_indicators"]) == {
        "cooperation_despite_asymmetry", "strategy_convergence", "identity_reasoning", "surprise_at_defection",
    }  # fmt: skip
    assert {key: result[key] for key in whole} == json.loads(json.dumps(whole))


def test_anonymous_ids_are_in_summaries_and_whose_they_are_in_one_file_alone(tmp_path: Path) -> None:
    game, _ = played(tmp_path, always(cooperate=True), agents=3)
    folder = game.files.folder
    for number in (1, 2):
        who = load(folder / "rounds" / f"anonymous_r{number}.json")["agents"]
        shown = load(folder / "rounds" / f"summary_r{number}.json")["anonymized_games"]
        assert {player for one in shown for player in one["players"]} == set(who)
        assert set(who.values()) == {"agent_01", "agent_02", "agent_03"}
        others = [path for path in (folder / "rounds").iterdir() if "anonymous" not in path.name]
        assert not any(
            player in path.read_text() for player in who for path in others if "summary" not in path.name
        )
        assert "agent_0" not in (folder / "rounds" / f"summary_r{number}.json").read_text()
    assert "agent_0" not in (folder / "experiment_results.json").read_text().replace('"trial"', "")


def test_always_cooperate_is_1_and_always_defect_0(tmp_path: Path) -> None:
    for cooperate in (True, False):
        _, whole = played(tmp_path / str(cooperate), always(cooperate=cooperate), agents=4)
        assert [one["cooperation_rate"] for one in whole["round_summaries"]] == [float(cooperate)] * 2
        assert [one["average_score"] for one in whole["round_summaries"]] == [9.0 if cooperate else 3.0] * 2


def broken(after: int, error: Exception) -> Any:
    """Always cooperates, until so many decisions were made."""
    count = 0

    def answer(request: Any) -> Any:
        nonlocal count
        count += is_decision(request)
        return error if count > after else always(cooperate=True)(request)

    return answer


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoppedError("the run was stopped"), "interrupted"),
        (BudgetExhaustedError("the budget is used up", "max_cost"), "interrupted"),
        (ModelCallError("no key", fatal=True), "failed"),
        (ModelCallError("out of order"), "failed"),  # every call: an outage, and no outcome
        (RuntimeError("a fault"), "failed"),
    ],
)
def test_a_game_that_ends_early_says_how_and_keeps_its_rounds(
    tmp_path: Path, error: Exception, status: str
) -> None:
    game, _ = game_of(tmp_path, broken(6, error), agents=3, rounds=3)
    with pytest.raises(type(error)):
        asyncio.run(game.play())
    partial = load(game.files.folder / "partial_results.json")
    assert (partial["status"], partial["total_rounds"], partial["total_games"]) == (status, 1, 3)
    assert not (game.files.folder / "experiment_results.json").exists()
    logged = [line["what"] for line in errors_in(game.files.folder)]
    assert logged == ([] if status == "interrupted" else ["trial"])
    # and it can be gone on with
    again, _ = game_of(tmp_path, always(cooperate=True), agents=3, rounds=3)
    assert again.files.folder == game.files.folder
    asyncio.run(again.play())
    assert load(game.files.folder / "experiment_results.json")["total_rounds"] == 3


def test_a_call_that_failed_in_a_finished_round_stays_failed_when_the_game_is_resumed(tmp_path: Path) -> None:
    """The model's trouble is over by then; what later rounds were told must be what they are told again."""

    def troubled(request: Any) -> Any:
        text = str(request.messages)
        trouble = is_decision(request) and "Round 1 of" in text and "Your power is 90.0" in text
        return ModelCallError("busy") if trouble else always(cooperate=True)(request)

    power = {"start": [100, 90, 110]}
    first, _ = played(tmp_path, troubled, power=power)
    second, client = game_of(tmp_path, always(cooperate=True), power=power)
    asyncio.run(second.play())
    assert [one.decisions for one in second.rounds[0].games] != []
    missing = [[d.missing for d in one.decisions] for one in second.rounds[0].games]
    assert missing == [[d.missing for d in one.decisions] for one in first.rounds[0].games]
    assert sum(one == "failed" for pair in missing for one in pair) == 2
    assert len([site for site in client.sites if site.kind == "decision"]) == 2 * 6 - 2
    assert len(errors_in(first.files.folder)) == 2, "and is told once"


def test_a_strategy_that_failed_is_none_and_the_agent_plays_on(tmp_path: Path) -> None:
    def answer(request: Any) -> Any:
        if is_decision(request):
            return label(request, cooperate="(you wrote none)" not in str(request.messages[1]))
        return ModelCallError("busy") if "Round 2" in str(request.messages[1]) else "Share."

    game, whole = played(tmp_path, answer)
    assert [one.text for one in game.rounds[1].strategies] == [None] * 3
    assert [one["cooperation_rate"] for one in whole["round_summaries"]] == [1.0, 0.0]
    assert whole["round_summaries"][1]["strategy_similarity"] is None
    assert [line["what"] for line in errors_in(game.files.folder)] == ["strategy failed"] * 3


def test_progress_says_where_the_game_is(tmp_path: Path) -> None:
    game, _ = game_of(tmp_path, always(cooperate=True), agents=3, rounds=5)
    told: list[str] = []
    ticks = iter(
        [0, 1000, 1000, 1060, 1060, 1120, 1120, 1180, 1180, 1240]
    )  # a slow first round, then a minute each
    game._clock = lambda: float(next(ticks))
    object.__setattr__(game.place, "tell", told.append)
    asyncio.run(game.play())
    assert told[3] == (
        "round 4/5, games 12/15, cooperation 100 %\nMean score 6.0. Estimated time remaining: 60 seconds"
    )
    assert told[0].endswith("remaining: 67 minutes") and told[1].endswith("remaining: 26 minutes")
    assert told[2].endswith("remaining: 12 minutes"), "the mean of 1000, 60 and 60 s, for two rounds"


def test_a_refusal_is_missing_and_paid_for_in_every_session(tmp_path: Path) -> None:
    class Declining(Client):
        async def complete(self, *words: Any, **more: Any) -> Reply:
            return replace(await super().complete(*words, **more), refusal=True)

    plan = plan_of(tmp_path, cooperation_game(3), rounds=1)
    results = []
    for _ in range(2):
        game = CooperationGame(plan, Declining(always(cooperate=True)), now=lambda: MOMENT)
        results.append(asyncio.run(game.play()))
    assert results[0] == results[1]
    assert results[0].total_cost == pytest.approx(0.009) and results[0].total_api_calls == 9
    assert {one.missing for one in game.rounds[0].strategies} == {"refused"}
    assert results[0].round_summaries[0]["coverage"] == 0.0


def test_a_mode_with_fewer_agents_takes_the_first_of_their_powers(tmp_path: Path) -> None:
    experiment = cooperation_game(5, power={"start": [60, 70, 80, 90, 100]})
    plan = plan_of(tmp_path, experiment)
    plan = replace(plan, personas=plan.personas[:3])
    game = CooperationGame(plan, Client(always(cooperate=True)), now=lambda: MOMENT)
    asyncio.run(game.play())
    assert game.rounds[0].powers == (60, 70, 80)
