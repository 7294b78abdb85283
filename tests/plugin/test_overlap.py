"""The cases of a session run together, where nothing forbids it, and each keeps what is its own."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import datetime
from itertools import groupby

import pytest

from harness.errors import ModelCallError
from harness.runtime.busy_time import busy_seconds
from tests.support.sessions import CALLS_PER_TRIAL, SMALL, Lab

PATIENCE = 5.0
"""Seconds until a barrier that does not open fails its call instead of hanging the test."""


class Barrier:
    """Holds every call until calls of ``parties`` cells are in flight at the same time."""

    def __init__(self, parties: int) -> None:
        self.parties, self.waiting = parties, set[str]()
        self._open: asyncio.Event | None = None

    async def __call__(self, trial: str, number: int) -> None:
        self._open = self._open or asyncio.Event()
        self.waiting.add("/".join(trial.split("/")[:3]))
        if len(self.waiting) >= self.parties:
            self._open.set()
        await asyncio.wait_for(self._open.wait(), PATIENCE)


def cells_in_turn(lab: Lab) -> list[str]:
    """The cells in the order of their calls, neighbours joined: as many as there are cells when none overlap."""
    return [cell for cell, _ in groupby("/".join(trial.split("/")[1:3]) for trial in lab.watched.calls)]


def test_cases_overlap(lab: Lab) -> None:
    barrier = lab.watched.before = Barrier(6)
    lab.run("--mode=long", "--concurrency=unlimited").assert_outcomes(passed=6)
    assert len(barrier.waiting) == 6


def test_cases_of_several_files_and_experiments_overlap(lab: Lab) -> None:
    lab.write(test_twin=SMALL.replace('name="small"', 'name="twin"'))
    lab.watched.before = Barrier(4)
    lab.run().assert_outcomes(passed=4)


def test_no_more_calls_are_in_flight_than_allowed(lab: Lab) -> None:
    flight, most = 0, 0

    async def before(trial: str, number: int) -> None:
        nonlocal flight, most
        flight += 1
        most = max(most, flight)
        for _ in range(20):
            await asyncio.sleep(0)
        flight -= 1

    lab.watched.before = before
    lab.run("--mode=long", "--concurrency=3").assert_outcomes(passed=6)
    assert most == 3


@pytest.mark.parametrize("option", ["--pdb", "--setup-show"])
def test_nothing_starts_ahead_where_a_person_looks_at_one_case_at_a_time(lab: Lab, option: str) -> None:
    lab.run("--mode=long", option).assert_outcomes(passed=6)
    assert len(cells_in_turn(lab)) == 6
    assert len(lab.watched.calls) == 12 * CALLS_PER_TRIAL


@pytest.mark.parametrize("option", ["--setup-plan", "--setup-only", "--collect-only"])
def test_nothing_is_sent_where_nothing_is_run(lab: Lab, option: str) -> None:
    lab.run(option)
    assert lab.watched.calls == []


def test_cases_with_teardowns_do_not_overlap(lab: Lab) -> None:
    lab.write(SMALL.replace("(cell)", "(cell, tmp_path, aid)") + "\n@pytest.fixture\ndef aid():\n    yield\n")
    lab.run("--mode=long").assert_outcomes(passed=6)
    assert len(cells_in_turn(lab)) == 6


def test_a_fixture_that_takes_the_cell_has_the_tests_own(lab: Lab) -> None:
    played = "@pytest.fixture\ndef played(cell):\n    cell.run()\n    return cell\n"
    lab.write(SMALL.replace("(cell):\n    cell.run()", "(played, cell):\n    assert played is cell") + played)
    lab.run().assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("override", "set_up"), [("", 0), ("@pytest.fixture\ndef engine(): return 'embedded'", 18)]
)
def test_plain_fixtures_are_filled_in_without_pytests_machinery(lab: Lab, override: str, set_up: int) -> None:
    counting = (
        "def pytest_fixture_setup(fixturedef, request):\n    print('set up', fixturedef.argname)\n"
        "def pytest_runtest_logreport(report):\n    print(report.when, report.outcome)\n"
    )
    lab.pytester.makeconftest(counting)
    lab.write(SMALL + override)
    result = lab.run("-s", "--concurrency=unlimited")
    result.assert_outcomes(passed=2)
    at_their_turn = result.stdout.str().partition("setup passed")[2]
    assert at_their_turn.count("set up") == set_up // 2  # of two cases, the one that follows
    assert at_their_turn.count("call passed") == 2


def test_the_first_failure_under_x_stops_what_runs_ahead(lab: Lab) -> None:
    async def before(trial: str, number: int) -> None:
        if "/rep1/" in trial:
            raise ModelCallError("the model is out of order")
        await asyncio.Event().wait()  # until it is cancelled

    lab.watched.before = before
    result = lab.run("--mode=long", "-x", "--concurrency=5")
    result.assert_outcomes(failed=1)
    assert result.ret == 1
    assert len(lab.watched.calls) <= 4 * 2 + 5  # both people of rep 1's four trials, and those in flight
    assert lab.meta()["partial"] is True
    assert "stopping after 1 failures" in result.stdout.str()


def test_maxfail_stops_too(lab: Lab) -> None:
    lab.watched.error = ModelCallError("the model is out of order")
    result = lab.run("--mode=long", "--maxfail=2")
    result.assert_outcomes(failed=2)
    assert lab.artifacts == [] or lab.meta()["trials"]["finished"] == 0


def test_what_a_trial_logs_and_prints_stands_under_its_own_case(lab: Lab) -> None:
    async def before(trial: str, number: int) -> None:
        await barrier(trial, number)
        logging.getLogger("model").warning("logged by %s", trial.split("/")[1])
        print("printed by", trial.split("/")[1])

    barrier = Barrier(2)
    lab.watched.before = before
    lab.write(SMALL.replace("cell.run()", "print('own words')\n    cell.run()\n    assert False"))
    result = lab.run()
    result.assert_outcomes(failed=2)
    sections = re.split(r"(?m)^_+ test_small\[small-(\w+)-1-1\] _+$", result.stdout.str())
    by_case = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert set(by_case) == {"Control", "Treatment"}
    for group, text in by_case.items():
        assert set(re.findall(r"(?:logged|printed) by (\w+)", text)) == {group}
        assert text.count("printed by") == text.count("logged by") == 2 * CALLS_PER_TRIAL
        assert "Captured log call" in text and "own words" in text


def test_a_cases_duration_is_the_time_in_which_its_trials_ran(lab: Lab) -> None:
    lab.watched.before = Barrier(2)
    recorder = lab.pytester.inline_run("-m", "experiment", "--model=watched")
    calls = [report for report in recorder.getreports("pytest_runtest_logreport") if report.when == "call"]
    for report in calls:
        group = report.nodeid.split("-")[1]
        lines = lab.lines(group, "trial_result")
        spans = [(datetime.fromisoformat(line["started"]).timestamp(), line["duration"]) for line in lines]
        assert report.duration == pytest.approx(busy_seconds(spans), abs=1e-3)
        assert report.duration < sum(seconds for _, seconds in spans) - 1e-4, "they overlapped"
