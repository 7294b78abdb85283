"""Payments as pytest cases: live lines and their replay, kills, workers, equal seeds, and the command's mistakes."""

from __future__ import annotations

import json
import subprocess
from random import Random
from typing import Any

import pytest
from support.kills import CountingEndpoint, Sessions
from support.terminal import Command, Said, command

from harness.errors import ModelCallError
from tests.support.sessions import Lab

CONFIG = "PaymentsConfig(history_days=3, samples=3, payments_per_day=6, max_iterations={most}, window=4)"
CASES = f"""
import pytest
from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.experiment import payments


@pytest.mark.experiment(payments({CONFIG}, markets=2))
def test_payments(cell):
    cell.run()
"""
SMALL = CASES.format(most=5)
TRIALS, BANKS = 4, 3
"""Of one rep."""


def shown(text: str) -> list[str]:
    """The lines of optimisation runs in what a session printed."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        inside = inside or line.startswith("payments/")
        lines += [line] * inside
        inside = inside and not line.startswith(("Best:", "Cut off"))
    return lines


@pytest.fixture
def banks(lab: Lab) -> Lab:
    lab.write(SMALL)
    return lab


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    run = command(monkeypatch, capsys, "replay")

    def alone(*words: object) -> Said:
        capsys.readouterr()  # what a session in this process printed
        return run(*words)

    return alone


def test_replay_prints_what_was_shown_live(banks: Lab) -> None:
    live, _ = banks.start("-s", "--count=2", "--concurrency=8", "--model=rehearsal").communicate()
    again = banks.command("replay", "results")
    for name, text in (("live", live), ("replay", again.stdout)):
        (banks.path / name).write_text("\n".join(shown(text)) + "\n")
    assert live.count("Best: iteration") == 2 * TRIALS and again.returncode == 0, again.stderr
    diff = subprocess.run(
        ["diff", "live", "replay"], cwd=banks.path, capture_output=True, text=True, check=False
    )
    assert (diff.returncode, diff.stdout) == (0, "")
    assert len(shown(live)) > 2 * TRIALS * 5 * BANKS
    assert again.stdout.split() == " ".join(shown(again.stdout)).split(), "and nothing else"


def test_replay_needs_the_records_alone(banks: Lab, replay: Command) -> None:
    banks.run("--count=1")
    whole = replay(banks.results)
    for path in [*banks.results.iterdir()]:
        if path.suffix == ".jsonl":
            (banks.path / path.name).write_bytes(path.read_bytes())
    banks.watched.error = ModelCallError("nobody may be asked")
    assert replay(*sorted(banks.path.glob("*.jsonl"))).out == whole.out
    one = replay(banks.results, "--trial", "Treatment/rep1/panel0/proposal1").out
    assert one.count("payments/") == 1 and one.strip() in whole.out


def test_a_failed_try_is_replayed_too(banks: Lab, replay: Command) -> None:
    async def outage(trial: str, number: int) -> None:
        if trial.endswith("Control/rep1/panel0/proposal0") and number < 100:
            raise ModelCallError("HTTP 400: bad request")

    banks.watched.before = outage
    result = banks.run("--count=1", "-s")
    result.assert_outcomes(passed=3, failed=1)
    (failure,) = banks.lines(kind="trial_failure")
    assert "calls failed, the last: HTTP 400" in failure["reason"] and len(failure["turns"]) == 3 * BANKS
    assert shown(result.stdout.str()) == shown(replay(banks.results).out)


def test_mistakes_of_replay_are_one_message(banks: Lab, replay: Command) -> None:
    banks.run("--count=1")
    for words, said in (
        ((banks.results, "--run", "x"), "--run x: no run to replay in"),
        ((banks.results, "--trial", "x"), "--trial x: no such trial; expected one of payments/"),
        ((banks.path / "nowhere",), "no such file or folder"),
    ):
        found = replay(*words)
        assert found.code == 4 and found.out == "" and said in found.err


def test_what_has_no_events_cannot_be_replayed(lab: Lab, replay: Command) -> None:
    lab.run()
    assert "no trial of an iterating experiment" in replay(lab.results).err


def test_equal_seeds_decide_alike(banks: Lab) -> None:
    def turns(*options: str, **variables: str) -> dict[str, Any]:
        results = banks.path / "-".join([*variables.values(), *options])
        session = banks.start(
            "--model=rehearsal", f"--results-dir={results}", *options, "--count=1", **variables
        )
        output, _ = session.communicate()
        assert session.returncode == 0, output
        lines = [
            json.loads(line) for path in results.glob("*.jsonl") for line in path.read_text().splitlines()
        ]
        return {line["trial"]: line["turns"] for line in lines if "turns" in line}

    one = turns("--seed=0", PYTHONHASHSEED="1")
    assert len(one) == TRIALS
    assert (
        one
        == turns("--seed=0", PYTHONHASHSEED="2")
        == turns("--seed=0", "--concurrency=1", PYTHONHASHSEED="3")
    )
    assert one != turns("--seed=1", PYTHONHASHSEED="1")


def test_a_kill_costs_no_more_than_what_was_in_flight(lab: Lab) -> None:
    lab.write(SMALL.replace("markets=2", "markets=1"))
    with CountingEndpoint(0.005) as endpoint:
        sessions = Sessions(endpoint, lab.path, ("-m", "experiment", "--count=1", "--concurrency=4"))
        undisturbed = sessions.finish(lab.path / "undisturbed")
        calls = endpoint.count
        rng = Random(20251120)
        for _ in range(2):
            assert sessions.kill_at(lab.path / "killed", rng.randint(4, calls // 3), rng.uniform(0, 0.01))
        assert sessions.finish(lab.path / "killed") == undisturbed
        assert calls <= endpoint.count - calls <= calls + 2 * 4


def test_a_session_that_its_budget_stops_decides_nothing_and_goes_on_later(banks: Lab) -> None:
    stopped = banks.run("--count=1", "--max-calls=10")
    assert stopped.ret == 6 and not banks.lines(kind="optimisation_result") and len(banks.watched.calls) == 10
    banks.run("--count=1").assert_outcomes(passed=TRIALS)
    assert len(banks.watched.calls) == TRIALS * 5 * BANKS, "what was paid for was not asked again"
    assert all(line["failures"] == 0 for line in banks.lines(kind="optimisation_result"))


def test_it_is_estimated(banks: Lab) -> None:
    result = banks.run("--estimate", "--count=1")
    result.stdout.fnmatch_lines(["*propose*"])


def test_it_runs_in_workers(banks: Lab) -> None:
    session = banks.start("-n2", "-p", "xdist", "--model=rehearsal", "--count=1")
    output, _ = session.communicate()
    assert f"{TRIALS} passed" in output
    assert {len(line["iterations"]) for line in banks.lines(kind="optimisation_result")} == {5}


def test_a_bad_setting_ends_the_session_with_one_message(lab: Lab) -> None:
    lab.write(SMALL.replace("window=4", "window=0"))
    result = lab.run()
    result.stdout.fnmatch_lines(["*Payments: Convergence: window=0; expected a whole number of iterations*"])
