"""Sessions that are killed or interrupted in the middle, as processes of their own."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter

import pytest

from tests.support.sessions import CALLS_PER_TRIAL, Lab, load

pytestmark = pytest.mark.slow

HOLDING = """
import asyncio, os
from harness.gateway import providers
from harness.gateway.rehearsal.provider import RehearsalProvider

LIMIT = int(os.environ.get("LIMIT", "1000000"))


class Holding(RehearsalProvider):
    '''Answers LIMIT calls, then says so and holds the others until standard input has something.'''

    name, model, count, go = "holding", "holding-1", 0, None

    async def complete(self, request, *, trial, occurrence):
        Holding.count += 1
        with open("calls", "a") as calls:
            calls.write(trial + "\\n")
        if Holding.count > LIMIT:
            await self.held()
        return await super().complete(request, trial=trial, occurrence=occurrence)

    async def held(self):
        if Holding.go is None:
            Holding.go = asyncio.Event()
            asyncio.get_running_loop().add_reader(0, Holding.go.set)
            os.write(1, b"HELD\\n")
        await Holding.go.wait()


providers.register("holding", lambda argument, *, seed, base_url, environ: Holding(seed))
"""
OPTIONS = ("--model=holding", "--concurrency=1", "--count=2", "-s")
TRIALS = 8


@pytest.fixture
def held_lab(lab: Lab) -> Lab:
    lab.pytester.makeconftest(HOLDING)
    return lab


def start(lab: Lab, limit: int) -> subprocess.Popen[str]:
    """A session that holds after ``limit`` calls, when it does."""
    process = lab.start(*OPTIONS, LIMIT=str(limit))
    read_until(process, "HELD")
    return process


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} was never said, but:\n{said}")


def release(process: subprocess.Popen[str]) -> str:
    """Let the held calls go on; the rest of what the session says."""
    said, _ = process.communicate("go\n", timeout=60)
    return said


def again(lab: Lab) -> tuple[str, Counter[str]]:
    """The same command, to its end: what it said, and its calls per trial."""
    (lab.path / "calls").unlink(missing_ok=True)
    process = lab.start(*OPTIONS)
    said, _ = process.communicate("", timeout=60)
    assert process.returncode == 0, said
    return said, Counter((lab.path / "calls").read_text().split())


def test_a_killed_session_goes_on_where_it_was_as_if_nothing_had_been(held_lab: Lab) -> None:
    process = start(held_lab, limit=2 * CALLS_PER_TRIAL + 1)
    process.kill()
    process.wait()
    done = {line["trial"] for line in held_lab.lines(kind="trial_result")}
    assert len(done) == 2
    assert held_lab.artifacts == []

    said, calls = again(held_lab)
    assert "resuming run" in said
    assert "with 2 finished trials" in said
    assert not done & set(calls)
    assert (
        sum(calls.values()) == (TRIALS - 2) * CALLS_PER_TRIAL - 1
    )  # one call of the third trial was answered
    (disturbed,) = held_lab.artifacts
    meta = load(disturbed.with_suffix(".meta.json"))
    assert (meta["partial"], meta["trials"]["duplicates"]) == (False, {})

    again(held_lab)  # the run is finished: this is a new one, undisturbed
    _, undisturbed = held_lab.artifacts
    assert disturbed.read_bytes() == undisturbed.read_bytes()


def test_ctrl_c_keeps_what_was_paid_for_and_says_what_is_missing(held_lab: Lab) -> None:
    process = start(held_lab, limit=2 * CALLS_PER_TRIAL - 1)  # holds the last call of the second trial
    process.send_signal(signal.SIGINT)
    read_until(process, "waiting up to 10 s for paid replies")
    said = release(process)
    assert process.returncode == 2, said
    assert "Traceback" not in said
    assert "Incomplete." in said
    assert "2 of 8 trials finished" in said
    artifact = held_lab.artifact()
    assert artifact["finished_all_experiments"] is False
    assert artifact["finished_experiments"] == []
    assert held_lab.meta()["partial"] is True
    assert len(held_lab.lines(kind="trial_result")) == 2
    assert held_lab.lines(kind="trial_failure") == []

    _, calls = again(held_lab)
    assert sum(calls.values()) == (TRIALS - 2) * CALLS_PER_TRIAL
    assert held_lab.artifact()["finished_all_experiments"] is True


def test_ctrl_c_twice_leaves_at_once(held_lab: Lab) -> None:
    process = start(held_lab, limit=CALLS_PER_TRIAL + 1)
    process.send_signal(signal.SIGINT)
    read_until(process, "Ctrl-C again leaves at once")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=5) == 2  # though nobody released the held call
    assert len(held_lab.lines(kind="trial_result")) == 1
    assert held_lab.artifacts == []
    process.communicate()
    _, calls = again(held_lab)
    assert sum(calls.values()) == (TRIALS - 1) * CALLS_PER_TRIAL - 1  # a call of the next trial was answered


def test_a_second_session_at_the_same_time_is_refused(held_lab: Lab) -> None:
    first = start(held_lab, limit=2)
    second = held_lab.start(*OPTIONS)
    said, _ = second.communicate("", timeout=60)
    assert second.returncode == 4
    assert f"is in use by another session (process {first.pid})" in said
    assert "Traceback" not in said
    release(first)
    assert first.returncode == 0
    assert held_lab.artifact()["finished_all_experiments"] is True
