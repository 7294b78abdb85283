"""Worker processes: reused, replaced when they die, ended with their owner."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from harness.engines.tinytroupe.pool import WorkerDiedError, Workers


def with_workers(size: int, work: Callable[[Workers], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        workers = Workers(size, int, (), preload="harness.engines.tinytroupe.preload", environment={})
        try:
            return await work(workers)
        finally:
            workers.end()

    return asyncio.run(main())


def is_gone(pid: int) -> bool:
    """Whether the process ends within a few seconds."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat")
            if state.is_file() and state.read_text().split()[2] == "Z":
                return True
        except ProcessLookupError:  # also where it ends while it is looked at
            return True
        time.sleep(0.01)
    return False


def test_a_process_is_used_again() -> None:
    async def work(workers: Workers) -> tuple[int, int]:
        return await workers.run(os.getpid), await workers.run(os.getpid)

    first, second = with_workers(2, work)
    assert first == second != os.getpid()


def test_what_the_function_raises_is_raised_here_and_the_process_lives_on() -> None:
    async def work(workers: Workers) -> bool:
        before = await workers.run(os.getpid)
        with pytest.raises(ValueError, match="invalid literal"):
            await workers.run(int, "seven")
        return before == await workers.run(os.getpid)

    assert with_workers(1, work)


def test_the_death_of_one_fails_its_own_work_alone() -> None:
    async def work(workers: Workers) -> int:
        doomed = await workers.run(os.getpid)
        dying = asyncio.ensure_future(workers.run(time.sleep, 60))
        await asyncio.sleep(0)
        living = asyncio.ensure_future(workers.run(os.getpid))
        other = await living
        assert other != doomed
        os.kill(doomed, signal.SIGKILL)
        with pytest.raises(WorkerDiedError):
            await dying
        assert await workers.run(os.getpid) == other
        return len({await workers.run(os.getpid) for _ in range(3)})

    assert with_workers(2, work) == 1


def test_a_process_that_died_idle_is_replaced_unseen() -> None:
    async def work(workers: Workers) -> None:
        doomed = await workers.run(os.getpid)
        os.kill(doomed, signal.SIGKILL)
        assert await asyncio.to_thread(is_gone, doomed)
        await asyncio.sleep(0.2)  # until the executor has noticed
        assert await workers.run(os.getpid) != doomed

    with_workers(1, work)


def test_cancelled_work_ends_its_process() -> None:
    async def work(workers: Workers) -> None:
        pid = await workers.run(os.getpid)
        task = asyncio.ensure_future(workers.run(time.sleep, 60))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(is_gone, pid)

    with_workers(1, work)


def test_nothing_is_left_when_the_owner_ends_them() -> None:
    async def work(workers: Workers) -> int:
        asyncio.ensure_future(workers.run(time.sleep, 60))  # noqa: RUF006
        return await workers.run(os.getpid)

    assert is_gone(with_workers(2, work))


def test_ctrl_c_is_not_for_workers() -> None:
    async def work(workers: Workers) -> bool:
        pid = await workers.run(os.getpid)
        os.kill(pid, signal.SIGINT)
        return pid == await workers.run(os.getpid)

    assert with_workers(1, work)


ORPHAN = """
import asyncio, os, time
from harness.engines.tinytroupe.pool import Workers

async def main():
    workers = Workers(1, int, (), preload="json", environment={})
    print(await workers.run(os.getpid), flush=True)
    await workers.run(time.sleep, 60)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    assert is_gone(worker)
