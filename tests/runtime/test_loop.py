"""Work on the loop's thread ends in the futures that whoever started it waits for."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from harness.runtime import loop as loops
from harness.runtime.loop import BackgroundLoop, LoopLostError


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    loop = BackgroundLoop()
    yield loop
    loop.close()


def test_all_begin_in_their_order_and_end_each_in_its_own_future(loop: BackgroundLoop) -> None:
    began: list[int] = []

    async def work(number: int) -> int:
        began.append(number)
        await asyncio.sleep(0)
        if number == 1:
            raise LookupError("one")
        return 10 * number

    futures = loop.submit_all([work(number) for number in range(4)])
    assert isinstance(futures[1].exception(timeout=5), LookupError)
    assert [futures[number].result(timeout=5) for number in (0, 2, 3)] == [0, 20, 30]
    assert began == [0, 1, 2, 3]


def test_none_is_no_fault(loop: BackgroundLoop) -> None:
    assert loop.submit_all([]) == []


def test_what_is_cancelled_on_the_loop_is_cancelled_for_who_waits(loop: BackgroundLoop) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def endless() -> None:
        await asyncio.Event().wait()

    first, second = loop.submit_all([cancelled(), endless()])
    with pytest.raises(CancelledError):
        first.result(timeout=5)
    loop.close()
    assert second.cancelled()


def test_a_future_cancelled_by_who_waits_stays_so(loop: BackgroundLoop) -> None:
    async def start() -> asyncio.Event:
        return asyncio.Event()

    gate = loop.run(start(), timeout=5)

    async def work() -> int:
        await gate.wait()
        return 1

    first, second = loop.submit_all([work(), work()])
    assert first.cancel()

    async def open_gate() -> None:
        gate.set()

    loop.run(open_gate(), timeout=5)
    assert second.result(timeout=5) == 1
    assert first.cancelled()


def test_work_that_nobody_else_refers_to_is_not_collected_as_garbage(loop: BackgroundLoop) -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    async def nothing() -> None:
        await asyncio.sleep(0)

    (future,) = loop.submit_all([endless()])
    loop.run(nothing(), timeout=5)
    gc.collect()
    loop.close()
    assert future.cancelled()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("x")])
@pytest.mark.parametrize("as_task", [True, False])
def test_what_a_task_raises_ends_neither_the_loop_nor_the_others(
    loop: BackgroundLoop, error: BaseException, as_task: bool
) -> None:
    async def bad() -> None:
        raise error

    async def work() -> None:
        await (asyncio.create_task(bad()) if as_task else bad())

    async def other() -> int:
        await asyncio.sleep(0.01)
        return 1

    first, second = loop.submit_all([work(), other()])
    assert type(first.exception(timeout=5)) is type(error)
    assert second.result(timeout=5) == 1
    assert loop.run(other(), timeout=5) == 1


def test_a_callback_that_exits_does_not_end_the_loop(loop: BackgroundLoop) -> None:
    async def work() -> int:
        asyncio.get_running_loop().call_soon(exec, "raise SystemExit(4)")
        await asyncio.sleep(0.01)
        return 1

    assert loop.run(work(), timeout=5) == 1


def test_a_loop_in_python_is_interrupted_and_the_others_go_on(
    loop: BackgroundLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "LOOK_SECONDS", 0.02)
    stopped: list[str] = []
    loop.watch(0.1, stopped.append)

    async def spin() -> None:
        while True:
            pass

    async def other() -> int:
        return 1

    first, second = loop.submit_all([spin(), other()])
    assert first.exception(timeout=20) is not None
    assert second.result(timeout=5) == 1
    assert (loop.lost, stopped) == (None, [])


def test_what_cannot_be_interrupted_is_named_and_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loops, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(loops, "GRACE_SECONDS", 0.1)
    loop, gate, stopped = BackgroundLoop(), threading.Event(), []
    loop.watch(0.1, stopped.append)

    async def blocking() -> None:
        gate.wait()

    async def other() -> int:
        return 1

    first, _ = loop.submit_all([blocking(), other()])
    with pytest.raises(LoopLostError, match=r"blocking \(test_loop\.py:\d+\) blocks the event loop"):
        loop.run(other())
    assert stopped == [loop.lost]
    loop.close()
    assert not first.done()
    gate.set()


def test_closing_does_not_wait_for_a_task_that_ignores_it(
    loop: BackgroundLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "GRACE_SECONDS", 0.05)

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    (task,) = loop.submit_all([stubborn()])
    loop.close()
    assert not task.done()
