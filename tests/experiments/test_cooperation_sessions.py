"""The game in sessions of pytest: counts, verdicts, limits, workers, interruptions and kills."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from harness.experiments.cooperation.experiment import cooperation_game
from harness.experiments.cooperation.game import CooperationGame
from harness.gateway import providers
from harness.gateway.gateway import Gateway
from harness.gateway.limits import Limits
from tests.plugin.test_interruption import HOLDING, read_until, release
from tests.support.cooperation import CASE, Scripted, always, is_decision, label, load, plan_of
from tests.support.kills import CountingEndpoint, Sessions
from tests.support.sessions import Lab

pytestmark = pytest.mark.slow

SMALL = CASE.format(arguments="4, rounds=2")
CALLS = 2 * (4 + 12)
"""Of a trial of 4 agents and 2 rounds."""
TIMES = ("experiment_id", "start_time", "end_time", "timestamp")


@pytest.fixture
def small(lab: Lab) -> Lab:
    lab.write(SMALL)
    return lab


@pytest.fixture
def scripted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Scripted]:
    def register(answer: Any) -> Scripted:
        model = Scripted(answer)
        monkeypatch.setitem(providers._factories, "scripted", model.factory)
        return model

    return register


def folders(results: Path) -> dict[str, Path]:
    """Trial → its folder."""
    return {load(path / "manifest.json")["trial"]: path for path in sorted(results.glob("exp_*_*"))}


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in TIMES}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def contents(results: Path) -> dict[str, Any]:
    """Trial and file → what it says, times aside."""
    return {
        f"{trial} {path.relative_to(folder)}": without_times(load(path))
        for trial, folder in folders(results).items()
        for path in folder.rglob("*.json")
        if path.name != "manifest.json"
    }


def test_a_full_rehearsal_has_a_thousand_calls(lab: Lab) -> None:
    lab.write(CASE.format(arguments=""))
    lab.run("-k", "baseline").assert_outcomes(passed=1)
    assert len(lab.watched.calls) == 1000
    (folder,) = folders(lab.results).values()
    assert re.fullmatch(r"exp_\d{8}_\d{6}", folder.name)
    found = load(folder / "experiment_results.json")
    assert (found["total_rounds"], found["total_games"], found["total_api_calls"]) == (10, 450, 1000)
    assert len(list((folder / "rounds").glob("games_r*.json"))) == 10
    cooperations = sum(one["cooperations"] for one in found["round_summaries"])
    assert 0.44 < cooperations / 900 < 0.56, "the rehearsal tosses a coin for each decision"
    (line,) = lab.lines("baseline", "game_result")
    assert line["usage"]["calls"] == {"strategy": 100, "decision": 900} and line["folder"] == folder.name


def test_each_group_and_rep_has_a_folder_of_its_own(small: Lab) -> None:
    small.run("--count=2").assert_outcomes(passed=6)
    found = folders(small.results)
    assert len(found) == 6 and len(set(found.values())) == 6
    assert {trial.split("/")[1] for trial in found} == {"baseline", "identity", "strangers"}
    assert all((folder / "experiment_results.json").exists() for folder in found.values())
    assert len(small.watched.calls) == 6 * CALLS
    small.run("--count=2").assert_outcomes(passed=6)
    assert len(list(small.results.glob("exp_*"))) == 12, "another run, other folders"


def test_neither_artifact_nor_prompts_depend_on_the_clock(small: Lab) -> None:
    small.run()
    small.run("--fresh", "--concurrency=1")
    one, other = (path.read_bytes() for path in small.artifacts)
    assert one == other
    half = len(small.watched.requests) // 2
    asked = [str(request.messages) for request in small.watched.requests]
    assert sorted(asked[:half]) == sorted(asked[half:])


@pytest.mark.parametrize("cooperate", [True, False])
def test_a_population_that_always_does_the_same_gives_no_verdict(
    lab: Lab, scripted: Callable[[Any], Scripted], cooperate: bool
) -> None:
    scripted(always(cooperate=cooperate))
    lab.write(SMALL)
    report = lab.path / "report.md"
    lab.run("--count=2", f"--report={report}", model="scripted").assert_outcomes(passed=6)
    groups = lab.artifact()["experiments"].values()
    assert [group["results"]["cooperation_rate"] for group in groups] == [[float(cooperate)] * 2] * 3
    checks = lab.meta()["instrument"]["checks"]
    (found,) = [one for one in checks if (one["name"], one["about"]) == ("saturation", "decisions")]
    assert found["level"] == "FAIL" and lab.meta()["instrument"]["worst"] == "FAIL"
    assert f"{48 if cooperate else 0} of 48" in found["message"]
    said = report.read_text()
    assert "No verdict. " in said and " failed (" in said and "saturation" in said


def test_nothing_is_blocked_where_groups_differ_within_the_scale(
    lab: Lab, scripted: Callable[[Any], Scripted]
) -> None:
    rng = Random(1)

    def answer(request: Any) -> str:
        alike = "copies of one" in str(request.messages[0])
        return (
            label(request, cooperate=rng.random() < (0.7 if alike else 0.4))
            if is_decision(request)
            else f"Plan {rng.random()}."
        )

    scripted(answer)
    lab.write(SMALL)
    lab.run("--mode=series", "--concurrency=1", model="scripted").assert_outcomes(passed=3)
    bad = [one for one in lab.meta()["instrument"]["checks"] if one["level"] == "FAIL"]
    assert bad == []
    assert lab.meta()["trials"]["planned"] == 18


def test_every_call_goes_through_the_limit(tmp_path: Path) -> None:
    """F27: strategies and decisions alike."""
    plan, model = plan_of(tmp_path, cooperation_game(4)), Scripted(always(cooperate=True))

    async def main() -> None:
        limits = Limits(rpm=1000)
        gateway = Gateway(model, limits=limits)
        await CooperationGame(plan, gateway.open_trial(plan.trial.id)).play()
        assert len(limits._log) == gateway.calls == len(model.requests) == CALLS
        assert gateway.calls_by_kind == {"strategy": 8, "decision": 24}

    asyncio.run(main())


def test_the_estimate_knows_the_calls_and_the_minutes_of_60_a_minute(lab: Lab) -> None:
    done = lab.command(
        "estimate", "--exp", "cooperation", "--model", "openrouter:openai/gpt-4o-mini", "--rpm", "60"
    )
    rows = {line.split("  ")[0].strip(): line.split() for line in done.stdout.splitlines()}
    assert rows["calls"][1:] == ["1,000", "1,000", "1,000", "3,000"], done.stdout + done.stderr
    assert rows["minutes"][1:] == ["16.7", "16.7", "16.7", "50.0"]
    assert "60 rpm" in done.stdout


def test_it_runs_in_workers(small: Lab) -> None:
    session = small.start("-n2", "-p", "xdist", "--model=rehearsal")
    said, _ = session.communicate()
    assert "3 passed" in said
    in_workers = contents(small.results)
    session = small.start("--model=rehearsal", f"--results-dir={small.path / 'alone'}")
    session.communicate()
    assert len(folders(small.results)) == 3 and in_workers == contents(small.path / "alone")


def test_progress_is_told_and_not_garbled(small: Lab) -> None:
    small.pytester.makeconftest(
        "import harness.plugin.progress as p\np.PLAIN_EVERY = p.PLAIN_SOONEST = 0.3\n"
    )
    session = small.start("--model=rehearsal:150ms", "--concurrency=4", "--count=1")
    said, _ = session.communicate()
    wanted = (
        r"cooperation-\w+-1: round (?:1/2, games 6|2/2, games 12)/12, cooperation \d+ %\n"
        r"Mean score [\d.]+\. Estimated time remaining: \d+ seconds\n"
    )
    assert 0 < said.count("Estimated time remaining") == len(re.findall(wanted, said)), said
    assert "3 passed" in said


def test_ctrl_c_saves_what_there_is_and_nothing_is_paid_twice(small: Lab) -> None:
    small.pytester.makeconftest(HOLDING)
    options = ("--model=holding", "--concurrency=3", "-s", "-k", "baseline")
    process = small.start(*options, LIMIT=str(CALLS - 8))
    read_until(process, "HELD")
    process.send_signal(signal.SIGINT)
    read_until(process, "waiting up to 10 s for paid replies")
    said = release(process)
    assert process.returncode == 2 and "Traceback" not in said, said
    (folder,) = folders(small.results).values()
    partial = load(folder / "partial_results.json")
    assert (partial["status"], partial["total_rounds"], partial["total_games"]) == ("interrupted", 1, 6)
    assert not (folder / "experiment_results.json").exists()
    paid = len((small.path / "calls").read_text().splitlines())

    process = small.start(*options)
    said, _ = process.communicate("", timeout=60)
    assert process.returncode == 0, said
    assert folders(small.results) == {"cooperation/baseline/rep1/panel0/proposal0": folder}
    assert load(folder / "experiment_results.json")["status"] == "complete"
    assert len((small.path / "calls").read_text().splitlines()) == CALLS, f"{paid} were paid before"


@pytest.mark.parametrize(("kills", "options"), [(2, ()), (1, ("-n", "2"))], ids=["alone", "xdist"])
def test_kills_cost_no_more_than_what_was_in_flight(small: Lab, kills: int, options: tuple[str, ...]) -> None:
    at_once, rng = 4, Random(20251120)
    common = ("-m", "experiment", "--count=1", "-k", "baseline", f"--concurrency={at_once}", *options)
    with CountingEndpoint() as endpoint:
        sessions = Sessions(endpoint, small.path, common)
        undisturbed = sessions.finish(small.path / "undisturbed")
        assert endpoint.count == CALLS
        for _ in range(kills):
            assert sessions.kill_at(small.path / "killed", rng.randint(2, 8), rng.uniform(0, 0.03))
        assert sessions.finish(small.path / "killed") == undisturbed
        assert CALLS <= endpoint.count - CALLS <= CALLS + kills * at_once
    assert contents(small.path / "killed") == contents(small.path / "undisturbed")
    assert len(folders(small.path / "killed")) == 1


def test_a_folder_of_another_configuration_is_refused_and_kept(small: Lab) -> None:
    small.pytester.makeconftest(HOLDING)
    process = small.start("--model=holding", "-s", "-k", "baseline", LIMIT="20")
    read_until(process, "HELD")
    process.kill()
    process.wait()
    (folder,) = folders(small.results).values()
    manifest = load(folder / "manifest.json")
    manifest["configuration"]["settings"]["power_rule"] = "log"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    process = small.start("--model=holding", "-s", "-k", "baseline")
    said, _ = process.communicate("", timeout=60)
    assert process.returncode == 1 and "Traceback" not in said
    flat = " ".join(said.split())
    assert "has another configuration: settings.power_rule: 'log' then, 'opponent_ratio' now" in flat
    assert load(folder / "manifest.json") == manifest
