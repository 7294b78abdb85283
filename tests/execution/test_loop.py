"""Work on the loop's thread ends in the futures that whoever started it waits for."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from harness.execution.loop import BackgroundLoop


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
