"""Sessions under xdist: cells in worker processes, everything that there is once in the process that was started.

The model ``watched`` is known to that process alone, so every test here shows who asks it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import ExitCode, ModelCallError
from tests.support.recorder import recording
from tests.support.sessions import CALLS_PER_TRIAL, SMALL, Lab, load

pytestmark = pytest.mark.slow

UNLUCKY = "small/Control/rep1/panel0/proposal1"
TRIALS = 12
ALL = TRIALS * CALLS_PER_TRIAL
LONG = ("--mode=long",)
TWO = ("-n", "2", *LONG)

MEASURED = SMALL.replace(
    'metrics=(Proposition("Courtesy", "The person stays courteous."),)',
    'metrics=(Proposition("Courtesy", "The person stays courteous."), Measure("lines", lambda said: MEASURE(said)))',
).replace("Intervention, Mode", "Intervention, Measure, Mode")
"""With a metric that no pickle can hold."""

DEADLY = (
    """
import os, signal
from pathlib import Path
def MEASURE(said):
    '''The second trial of all ends its process.'''
    with open("played", "a") as played:
        played.write(".")
    if Path("played").stat().st_size == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return len(said)
"""
    + MEASURED
)

FAR = """
import os
def MEASURE(said):
    with open("pids", "a") as pids:
        pids.write(f"{os.getpid()}\\n")
    print("measured in", os.getpid())
    return len(said)
"""


def told(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


def plain(lab: Lab) -> bytes:
    """The artifact of the same run without workers."""
    lab.run(*LONG, "--fresh", "--results-dir=plain", model="watched")
    (artifact,) = (path for path in Path("plain").glob("*.json") if not path.name.endswith(".meta.json"))
    return artifact.read_bytes()


def summary(result: pytest.RunResult) -> list[str]:
    """What is said at the end, without names of runs and durations."""
    lines = result.outlines
    start = next(number for number, line in enumerate(lines) if line.startswith("Control: "))
    return [
        line for line in lines[start:-1] if "small_" not in line and not line.startswith("Trials ran for")
    ]


def test_workers_play_and_the_result_is_that_of_one_process(lab: Lab) -> None:
    lab.write(FAR + MEASURED)
    result = lab.run(*TWO)
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 6
    pids = Path("pids").read_text().split()
    assert len(pids) == TRIALS and len(set(pids)) == 2 and str(os.getpid()) not in pids
    assert lab.watched.per_trial == {
        line["trial"]: CALLS_PER_TRIAL for line in lab.lines(kind="trial_result")
    }
    assert len(list(lab.results.glob("*.jsonl"))) == 6
    assert lab.artifacts[0].read_bytes() == plain(lab)
    assert summary(result) == [
        line.replace("plain/", "results/") for line in summary(lab.run(*LONG, "--fresh"))
    ]


def test_no_workers_is_as_without(lab: Lab) -> None:
    assert lab.run("-n", "0").ret == 0
    assert len(lab.watched.calls) == 4 * CALLS_PER_TRIAL


def test_calls_in_flight_are_limited_over_all_workers(lab: Lab) -> None:
    now, most = 0, 0

    async def before(_trial: str, _number: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1

    lab.watched.before = before
    assert lab.run(*TWO, "--concurrency=3").ret == 0
    assert most == 3
    assert len(lab.watched.calls) == ALL


def test_the_budget_is_the_sessions_and_the_same_command_goes_on(lab: Lab) -> None:
    result = lab.run(*TWO, "--max-calls=19", "--concurrency=4")
    assert result.ret == ExitCode.BUDGET
    assert told(result).count("The budget of this session is used up: limit 19 calls") == 1
    assert "INTERNALERROR" not in told(result) and "Traceback" not in told(result)
    assert len(lab.watched.calls) == 19
    assert not lab.lines(kind="trial_failure")
    again = lab.run(*TWO)
    assert again.ret == 0
    again.stdout.fnmatch_lines(["*small: resuming run *"])
    assert len(lab.watched.calls) == ALL
    assert lab.artifacts[0].read_bytes() == plain(lab)


def test_a_rerun_plays_only_what_is_not_finished(lab: Lab) -> None:
    seen: Counter[str] = Counter()

    async def before(trial: str, _number: int) -> None:
        seen[trial] += 1
        if trial == UNLUCKY and seen[trial] <= 2:
            raise ModelCallError("the model is out of order")

    lab.watched.before = before
    result = lab.run(*TWO, "--reruns=2")
    assert result.ret == 0
    assert result.parseoutcomes()["rerun"] == 1
    calls = lab.watched.per_trial
    assert calls.pop(UNLUCKY) == CALLS_PER_TRIAL + 2
    assert set(calls.values()) == {CALLS_PER_TRIAL}
    assert lab.meta()["trials"]["retried"] == {UNLUCKY: 2}


def test_a_trial_that_fails_fails_its_case_with_what_that_printed(lab: Lab) -> None:
    async def before(trial: str, _number: int) -> None:
        if trial == UNLUCKY:
            raise ModelCallError("the model is out of order")

    lab.watched.before = before
    lab.write(FAR + MEASURED)
    result = lab.run("-n", "2")
    assert result.ret == 1
    assert (result.parseoutcomes()["failed"], result.parseoutcomes()["passed"]) == (1, 1)
    assert "small-Control-1: 1 of 2 trials did not finish." in told(result)
    assert told(result).count("measured in") == 1  # the other case has passed
    (failure,) = lab.lines(kind="trial_failure")
    assert (failure["kind"], failure["trial"]) == ("ModelCallError", UNLUCKY)


@pytest.mark.parametrize(("options", "code", "passed"), [((), 1, 5), (("--reruns=1",), 0, 6)])
def test_a_worker_that_is_killed_costs_its_trials_and_no_call(
    lab: Lab, options: Sequence[str], code: int, passed: int
) -> None:
    lab.write(DEADLY)
    result = lab.run(*TWO, *options)
    assert (result.ret, result.parseoutcomes()["passed"]) == (code, passed), told(result)
    assert "crashed" in told(result) and "INTERNALERROR" not in told(result)
    if code:
        assert lab.meta()["partial"] is True
        assert lab.run(*TWO).ret == 0
    assert len(lab.watched.calls) == ALL
    finished = Counter(line["trial"] for line in lab.lines(kind="trial_result"))
    assert set(finished.values()) == {1} and len(finished) == TRIALS
    assert lab.artifacts[0].read_bytes() == plain(lab)


BEFORE_THE_FIRST_TRIAL = {
    "mode": (["--mode=nonesuch"], "", "Experiment small has no mode 'nonesuch'; expected one of full, long."),
    "model": (["--model=nonesuch"], "", "unknown provider 'nonesuch'"),
    "engine": (["--engine=nonesuch"], "", "Engine 'nonesuch': not installed; expected one of"),
    "options": (["--rpm=0"], "", "--rpm 0: expected a whole number from 1"),
    "out": (["--out=x.json"], SMALL.replace("small", "twin"), "--out takes one experiment; this session has"),
    "estimate": (["--estimate"], "", "--estimate: leave -n out"),
}  # fmt: skip


@pytest.mark.parametrize("name", BEFORE_THE_FIRST_TRIAL)
def test_what_cannot_be_had_is_said_once(lab: Lab, name: str) -> None:
    options, more, expected = BEFORE_THE_FIRST_TRIAL[name]
    lab.write(SMALL + more)
    result = lab.run("-n", "2", *options)
    assert result.ret == ExitCode.USAGE, told(result)
    assert told(result).count(expected) == 1
    assert "INTERNALERROR" not in told(result) and "Traceback" not in told(result)
    assert lab.watched.calls == []


def test_a_case_whose_parts_cannot_be_had_ends_the_session_at_its_turn(lab: Lab) -> None:
    wrong = "Correction(quality_threshold=12) if group.name == 'Control' else None"
    lab.write(f"{SMALL}\n@pytest.fixture\ndef correction(group):\n    return {wrong}\n")
    result = lab.run("-n", "2")
    assert result.ret == ExitCode.USAGE
    assert told(result).count("Group 'Control' of small: quality_threshold=12; expected 0 to 9.") == 1
    assert "INTERNALERROR" not in told(result) and "Traceback" not in told(result)
    assert not [trial for trial in lab.watched.calls if "/Control/" in trial]


@pytest.mark.parametrize("command", ["run", "estimate"])
@pytest.mark.parametrize("words", [("-n", "2"), ()])
def test_the_command_line_takes_no_workers(lab: Lab, command: str, words: Sequence[str]) -> None:
    """They would not know which experiments were asked for, and play all."""
    done = lab.command(command, "test_small.py", *words, **({} if words else {"PYTEST_ADDOPTS": "-n 2"}))
    assert done.returncode == ExitCode.USAGE
    assert "-n: leave it out" in done.stderr or "--estimate: leave -n out" in done.stderr
    assert command == "estimate" or "use pytest -m experiment -n N." in done.stderr
    assert "Traceback" not in done.stderr


def test_what_can_only_repeat_is_met_once(lab: Lab) -> None:
    lab.watched.error = ModelCallError("the key was refused", fatal=True)
    result = lab.run(*TWO)
    assert result.ret == 1
    assert "the key was refused" in told(result)
    assert "INTERNALERROR" not in told(result)
    assert len(lab.watched.calls) <= 16


def test_the_writer_pool_writes_into_the_cells_own_file(lab: Lab) -> None:
    lab.write(
        SMALL.replace("(cell):", "(cell, writer_pool, experiment, group, rep):")
        + "    writer_pool.get(experiment.name, group.name, rep).write({'type': 'note', 'from': group.name})\n"
    )
    assert lab.run("-n", "2").ret == 0
    assert [line["from"] for line in lab.lines("Control", kind="note")] == ["Control"]


def test_every_case_is_a_trace_of_its_own(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with recording() as recorder:
        monkeypatch.setenv("LANGSMITH_TRACING", "true")
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_pt_0123456789abcdef_fake")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", recorder.url)
        monkeypatch.setenv("SENTRY_DSN", recorder.dsn)
        assert lab.run(*TWO).ret == 0
        runs = recorder.runs().values()
        traces = [run["trace_id"] for run in runs if "parent_run_id" not in run]
        kinds = Counter((run["trace_id"], run["run_type"]) for run in runs)
        assert len(set(traces)) == 6
        assert {kinds[trace, "llm"] for trace in traces} == {2 * CALLS_PER_TRIAL}
        assert Counter(one["score"] for one in recorder.feedback() if one["key"] == "rep") == {
            1: 2,
            2: 2,
            3: 2,
        }
        assert [len(one["spans"]) for one in recorder.items("transaction")] == [2] * 6


HOLDING = """
import asyncio, os
from harness.gateway import providers
from harness.gateway.rehearsal.provider import RehearsalProvider

class Holding(RehearsalProvider):
    '''Answers twenty calls, by when a trial was written down, then says so and takes its time.'''
    name, model, count = "holding", "holding-1", 0

    async def complete(self, request, *, trial, occurrence):
        Holding.count += 1
        with open("calls", "a") as calls:
            calls.write(trial + "\\n")
        if os.environ.get("HOLD") and Holding.count > 20:
            os.write(2, b"HELD\\n")
            await asyncio.sleep(0.5)
        return await super().complete(request, trial=trial, occurrence=occurrence)

providers.register("holding", lambda argument, *, seed, base_url, environ: Holding(seed))
"""


@pytest.mark.parametrize("everyone", [True, False])
def test_ctrl_c_ends_in_order_and_the_same_command_goes_on(lab: Lab, everyone: bool) -> None:
    lab.pytester.makeconftest(HOLDING)
    options = (*TWO, "--model=holding", "--concurrency=2", "-s")
    process = lab.start(*options, leader=True, HOLD="1")
    assert process.stdout is not None
    said = ""
    while "HELD" not in said:
        said += process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT) if everyone else process.send_signal(signal.SIGINT)
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 2, said
    assert "Incomplete." in said and "INTERNALERROR" not in said
    assert load(lab.artifacts[0])["finished_all_experiments"] is False
    again = lab.start(*options)
    assert again.communicate("", timeout=60)[0] and again.returncode == 0
    assert len(Path("calls").read_text().split()) == ALL
    assert load(lab.artifacts[0])["finished_all_experiments"] is True
