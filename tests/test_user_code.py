"""Whatever a user's function raises has its name, and one that does not return is left behind."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from harness.model import ActionsAtLeast
from harness.user_code import (
    STRIKES,
    FunctionRunner,
    UserCodeError,
    attempt,
    described,
    guarded,
    shown,
)

HERE = "test_user_code.py"


class Odd(BaseException):
    """Neither an exception nor known to anybody."""


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise Odd


class Callable_:
    def __call__(self, number: int) -> int:
        return number


def raising(error: BaseException) -> Callable[..., Any]:
    def metric(*_: Any) -> Any:
        raise error

    return metric


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        StopIteration(),
        StopAsyncIteration(),
        asyncio.CancelledError(),
        Odd("x"),
        Unspeakable(),
        pytest.skip.Exception("too short"),
        pytest.fail.Exception("bad"),
        pytest.exit.Exception("bye"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("now", [True, False])
def test_whatever_a_function_raises_is_named(error: BaseException, now: bool) -> None:
    runner = FunctionRunner()

    async def call() -> None:
        await runner.call(raising(error), 1, what="The measure")

    with pytest.raises(UserCodeError) as raised:
        runner.call_now(raising(error), 1, what="The measure") if now else asyncio.run(call())
    assert str(raised.value).startswith(f"The measure raised {type(error).__name__}")
    assert f"metric ({HERE}:" in str(raised.value)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), Odd(), asyncio.CancelledError()])
def test_a_coroutine_is_guarded_against_what_ends_a_loop(error: BaseException) -> None:
    async def play() -> None:
        await asyncio.sleep(0)
        raise error

    async def run() -> None:
        await guarded(play(), play, "The play")

    with pytest.raises(UserCodeError, match=rf"The play raised {type(error).__name__}.*play \({HERE}:"):
        asyncio.run(run())


def test_a_cancelled_task_stays_cancelled() -> None:
    async def run() -> bool:
        task = asyncio.ensure_future(guarded(asyncio.Event().wait(), run, "The play"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(run())


def spin(*_: Any) -> None:
    while True:
        pass


def stuck(gate: threading.Event) -> None:
    gate.wait()


def test_a_function_that_does_not_return_is_left_behind_and_the_next_one_runs() -> None:
    runner, gate = FunctionRunner(0.05), threading.Event()

    async def run() -> list[str]:
        said = []
        for function in (stuck, spin):
            with pytest.raises(UserCodeError) as raised:
                await runner.call(function, gate, what="The measure")
            said.append(str(raised.value))
        assert await runner.call(len, "abc") == 3
        return said

    first, second = asyncio.run(run())
    gate.set()
    assert first.startswith("The measure did not return within 0.05 s (it was at threading.py:")
    assert first.endswith(f": {described(stuck)}")
    assert f"(it was at {HERE}:" in second


def test_a_loop_in_python_is_ended_so_that_its_thread_is_free() -> None:
    runner, ended = FunctionRunner(0.05), threading.Event()

    def loop() -> None:
        try:
            spin()
        finally:
            ended.set()

    with pytest.raises(UserCodeError):
        runner.call_now(loop)
    assert ended.wait(10)


def test_waiting_for_a_turn_is_no_fault_of_the_function() -> None:
    runner = FunctionRunner(0.5)

    async def run() -> list[Any]:
        naps = [runner.call(time.sleep, 0.2) for _ in range(4)]
        return await asyncio.gather(*naps, return_exceptions=True)

    assert asyncio.run(run()) == [None] * 4


def test_a_function_that_never_returns_is_called_a_few_times_only() -> None:
    runner, calls = FunctionRunner(0.02), []

    def endless() -> None:
        calls.append(1)
        spin()

    for _ in range(STRIKES + 2):
        with pytest.raises(UserCodeError) as raised:
            runner.call_now(endless)
    assert len(calls) == STRIKES
    assert f"{STRIKES} times, and is not called again" in str(raised.value)


def test_what_a_function_returned_is_read_under_the_same_protection() -> None:
    def problems(_: int) -> Any:
        yield "one"
        raise SystemExit(3)

    with pytest.raises(UserCodeError, match="raised SystemExit: 3"):
        FunctionRunner().call_now(problems, 1, then=list)


def test_functions_of_this_package_run_where_they_are_called() -> None:
    runner = FunctionRunner()

    async def run() -> tuple[Any, int]:
        before = threading.active_count()
        return await runner.call(ActionsAtLeast(0), type("P", (), {"actions_count": 1})), (
            threading.active_count() - before
        )

    assert asyncio.run(run()) == (True, 0)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (spin, f"test_user_code.spin ({HERE}:"),
        (functools.partial(functools.partial(spin, 1), 2), f"test_user_code.spin ({HERE}:"),
        (Callable_(), f"test_user_code.Callable_ ({HERE}:"),
        (len, "builtins.len"),
    ],
)
def test_functions_are_described_by_name_and_place(function: Any, name: str) -> None:
    assert name in described(function)


def test_a_text_that_cannot_be_made_is_said_to_be_so() -> None:
    assert shown(Unspeakable()) == "Unspeakable: (its text cannot be shown)"
    assert len(shown(ValueError("x" * 10_000))) < 600


def test_an_attempt_lets_ctrl_c_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        attempt("It", lambda: raising(KeyboardInterrupt())())
    with pytest.raises(UserCodeError, match=r"It raised SystemExit: 3\."):
        attempt("It", lambda: raising(SystemExit(3))())
