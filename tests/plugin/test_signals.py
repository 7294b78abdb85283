"""Ctrl-C, SIGTERM and SIGHUP, in sessions of their own against a server that counts requests."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import StoppedError
from harness.gateway.calls import CallSite, Request
from harness.gateway.gateway import Gateway
from harness.gateway.providers.openai_compatible import OpenAICompatible
from harness.plugin.signals import SIGNALS, Interruption
from tests.support.endpoint import FakeEndpoint
from tests.support.sessions import LIGHT, Lab, environment, watch

pytestmark = pytest.mark.slow

AT_ONCE, ANSWERED, TRIALS = 4, 3, 20
HEARD = "Interrupted: nothing more is sent"

ONE_CALL_EACH = """
import pytest
from harness import Experiment, Group, Measure, Mode, Play, Sample, Script, TrialResult
from harness.gateway.calls import Request, CallSite

async def play(plan, client):
    request = Request([{"role": "user", "content": plan.trial.id}])
    reply = await client.complete(request, CallSite("act"))
    return TrialResult(plan.trial, (Sample("length", len(reply.text)),))

calls = Experiment(
    name="calls",
    groups=(Group("Control"),),
    script=Script(task="Say {n}.", proposals=tuple({"n": str(n)} for n in range(20))),
    metrics=(Measure("length"),),
    modes={"full": Mode(reps=1, steps=1)},
    play=Play(play),
)

@pytest.mark.experiment(calls)
def test_calls(cell):
    cell.run()
"""


@pytest.fixture
def many(lab: Lab) -> Lab:
    """An experiment of 20 trials, each of one call."""
    (lab.path / "test_small.py").unlink()
    lab.pytester.makepyfile(test_calls=ONE_CALL_EACH)
    return lab


class Held:
    """A server that answers the first few requests, and the others on `release`: then a session would send more."""

    def __init__(self) -> None:
        self._held, self._released = threading.Semaphore(0), threading.Event()
        self.endpoint = FakeEndpoint(before=self._hold)

    def wait_until_it_holds(self, requests: int = AT_ONCE) -> None:
        for _ in range(requests):
            assert self._held.acquire(timeout=60)

    def release(self) -> None:
        self._released.set()

    async def _hold(self, number: int) -> None:
        if number >= ANSWERED:
            self._held.release()
            await asyncio.to_thread(self._released.wait, 60)


@pytest.fixture
def held() -> Iterator[Held]:
    server = Held()
    with server.endpoint:
        yield server
        server.release()


def start(many: Lab, held: Held, *options: str) -> subprocess.Popen[str]:
    where = ("--model=openai:m", f"--model-base-url={held.endpoint.url}", f"--concurrency={AT_ONCE}")
    process = many.start(*where, *options, OPENAI_API_KEY="any-key")
    held.wait_until_it_holds()
    return process


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    said = ""
    while text not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    return said


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_after_a_signal_nothing_more_is_sent_and_what_was_paid_for_is_kept(
    many: Lab, held: Held, number: signal.Signals
) -> None:
    process = start(many, held)
    process.send_signal(number)
    said = read_until(process, HEARD)
    held.release()
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 2, said
    assert "waiting up to 10 s for paid replies" in said and "Incomplete." in said
    assert "Traceback" not in said and "INTERNALERROR" not in said
    assert f"{ANSWERED + AT_ONCE} of {TRIALS} trials finished" in said
    assert len(held.endpoint.requests) == ANSWERED + AT_ONCE


def test_more_ctrl_c_leave_at_once_whatever_the_session_is_doing(many: Lab, held: Held) -> None:
    process = start(many, held)
    while process.poll() is None:  # though nothing is answered; `watch` kills a session that does not end
        process.send_signal(signal.SIGINT)
        time.sleep(0.001)
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()
    assert process.returncode == 2
    assert len(held.endpoint.requests) == ANSWERED + AT_ONCE


def test_a_supervisor_s_repeated_sigterm_is_one(many: Lab, held: Held) -> None:
    process = start(many, held)
    process.send_signal(signal.SIGTERM)
    said = read_until(process, HEARD)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    held.release()
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 2 and "Incomplete." in said


def test_sigterm_ends_a_session_with_workers(many: Lab, held: Held) -> None:
    process = start(many, held, "-n", "2")
    process.send_signal(signal.SIGTERM)
    said = read_until(process, HEARD)
    held.release()
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 2, said
    assert "INTERNALERROR" not in said and "Traceback" not in said
    assert len(held.endpoint.requests) == ANSWERED + AT_ONCE


SCRIPT = """
import signal, sys
import harness
from test_calls import calls
before = signal.getsignal(signal.SIGTERM)
done = harness.run(calls, model="openai:m", base_url=sys.argv[1], concurrency=4)
assert signal.getsignal(signal.SIGTERM) is before
print("went on after exit code", done.exit_code)
"""


def test_a_script_goes_on_after_its_run_was_ended_by_a_signal(many: Lab, held: Held) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, held.endpoint.url],
        cwd=many.path,
        env=environment() | {"OPENAI_API_KEY": "any-key"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watch(process)
    held.wait_until_it_holds()
    process.send_signal(signal.SIGTERM)
    read_until(process, HEARD)
    held.release()
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert "went on after exit code 2" in said
    assert len(held.endpoint.requests) == ANSWERED + AT_ONCE


def test_a_terminal_that_is_closed_ends_the_session_with_its_artifact(many: Lab, held: Held) -> None:
    here, there = pty.openpty()
    leader = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-m", "pytest", *LIGHT, "-m", "experiment", "--model=openai:m"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", leader, *command),
            *(f"--model-base-url={held.endpoint.url}", f"--concurrency={AT_ONCE}"),
        ],
        cwd=many.path,
        env=environment() | {"OPENAI_API_KEY": "any-key"},
        stdin=there,
        stdout=there,
        stderr=there,
        start_new_session=True,
    )
    watch(process)
    os.close(there)
    held.wait_until_it_holds()
    os.close(here)  # the kernel sends SIGHUP
    held.release()
    assert process.wait(timeout=60) == 2
    assert many.meta()["partial"] is True


# The parts, in this process


def test_handlers_are_restored_and_what_was_ignored_stays_ignored() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with Interruption(lambda: 0):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def test_calls_are_halted_before_anything_is_raised(capfd: pytest.CaptureFixture[str]) -> None:
    halted: list[int] = []

    def halt() -> int:
        halted.append(1)
        return 3

    with Interruption(halt) as interruption:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
    assert halted == [1] and interruption.received == signal.SIGTERM
    assert HEARD in capfd.readouterr().err


def test_a_session_that_is_closing_only_acknowledges_the_signal(capfd: pytest.CaptureFixture[str]) -> None:
    with Interruption(lambda: 0) as interruption:
        interruption.closing = True
        signal.raise_signal(signal.SIGINT)
    assert "files are being closed" in capfd.readouterr().err


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def elsewhere() -> None:
        with Interruption(lambda: 0):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]


def test_tests_without_experiments_keep_their_signals(lab: Lab) -> None:
    lab.write(
        "import signal\n\ndef test_x():\n    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n"
    )
    lab.bare().assert_outcomes(passed=1)


def test_a_call_that_is_stopped_on_its_way_to_the_connection_is_not_sent_and_not_counted() -> None:
    """The last moment: its turn has come, and it waits for a connection."""

    async def main(url: str) -> tuple[Gateway, int]:
        provider = OpenAICompatible("m", base_url=url, api_key="any-key")
        gateway = Gateway(provider)
        check = provider.before_send
        assert check is not None

        def halt_first() -> None:
            gateway.halt()
            check()

        provider.before_send = halt_first
        client = gateway.open_trial("t")
        try:
            with pytest.raises(StoppedError):
                await client.complete(Request([{"role": "user", "content": "x"}]), CallSite("act"))
        finally:
            await gateway.aclose()
        return gateway, client.usage().total_calls

    with FakeEndpoint() as endpoint:
        gateway, calls = asyncio.run(main(endpoint.url))
        assert endpoint.requests == []
    assert (gateway.calls, gateway.calls_by_kind["act"], gateway.in_flight, calls) == (0, 0, 0, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_command_that_asks_a_model_ends_as_a_session_does(
    tmp_path: Path, held: Held, number: signal.Signals
) -> None:
    command = ["population", "spec", "Bakers of one town.", "--out=spec.yaml", "--model=openai:m"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from harness.cli import main; main()", *command),
            f"--base-url={held.endpoint.url}",
        ],
        cwd=tmp_path,
        env=environment() | {"OPENAI_API_KEY": "any-key"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watch(process)
    held.wait_until_it_holds(1)
    process.send_signal(number)
    said = read_until(process, HEARD)
    sent = len(held.endpoint.requests)
    held.release()
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 2, said
    assert "Traceback" not in said and "resumes it" in said
    assert len(held.endpoint.requests) == sent
