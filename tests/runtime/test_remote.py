"""The coordinator over its socket: who may come, what travels, and what is left when the other side goes."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.engines.embedded.model_requests import NoUsableReply
from harness.errors import (
    BudgetExhaustedError,
    ConfigurationError,
    ExitCode,
    HarnessError,
    ModelCallError,
    RefusedError,
)
from harness.gateway.gateway import Gateway
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.runtime.coordinator import Coordinator, Parts
from harness.runtime.remote import LEFT_ALONE, CoordinatorServer, RemoteCoordinator, _portable
from harness.runtime.settings import Settings


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[Coordinator]:
    parts = Parts(
        gateway=lambda _: Gateway(RehearsalProvider(0)), engine=lambda *_: pytest.fail("no engine is needed")
    )
    made = Coordinator(Settings(results_dir=tmp_path), parts, root=tmp_path)
    made.start()
    yield made
    made.wind_down()
    made.close()
    made.conclude()


@pytest.fixture
def server(coordinator: Coordinator) -> CoordinatorServer:
    made = CoordinatorServer(coordinator)
    made.start()
    return made


def visit(server: CoordinatorServer) -> RemoteCoordinator:
    remote = RemoteCoordinator(**server.invitation)
    remote.start()
    return remote


@pytest.mark.parametrize(
    "error",
    [
        ModelCallError("m", fatal=True, retry_after=2.5, lost=True),
        RefusedError("no"),
        BudgetExhaustedError("spent", "max_cost"),
        NoUsableReply("n", "r"),
        ConfigurationError("one", "two"),
    ],
)
def test_our_errors_travel_whole(error: Exception) -> None:
    there = pickle.loads(pickle.dumps(_portable(error)))
    assert (type(there), str(there), vars(there)) == (type(error), str(error), vars(error))


def test_what_cannot_travel_is_told_in_words() -> None:
    class Local(Exception):
        pass

    assert str(_portable(Local("here"))) == "Local: here"


class Unreadable:
    """Can be sent, and not be read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return int, ("seven",)


@pytest.mark.parametrize("value", [lambda: 7, Unreadable()], ids=["cannot be sent", "cannot be read"])
def test_a_worker_gets_an_answer_whatever_the_value_is(
    server: CoordinatorServer, coordinator: Coordinator, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answering(*_: object) -> object:
        return value

    async def two(remote: RemoteCoordinator) -> list[object]:
        return await asyncio.gather(
            remote.call("write"), remote.call("keep_measurements", 1, 2), return_exceptions=True
        )

    monkeypatch.setattr(coordinator, "keep_measurements", answering)
    remote = visit(server)
    other, error = remote.loop.run(two(remote), timeout=10)
    assert isinstance(other, TypeError)
    assert isinstance(error, Exception) and ("pickle" in str(error) or "seven" in str(error))
    remote.close()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_a_worker_gets_an_answer_whatever_the_other_side_raises(
    server: CoordinatorServer, coordinator: Coordinator, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def raising() -> None:
        raise error

    monkeypatch.setattr(coordinator, "start_server", raising)
    remote = visit(server)
    with pytest.raises(RuntimeError, match=type(error).__name__):
        remote.loop.run(remote.start_server(), timeout=10)
    remote.close()


def test_who_does_not_know_the_secret_is_not_heard(
    server: CoordinatorServer, coordinator: Coordinator
) -> None:
    address = server.invitation["address"]
    assert Path(address).parent.stat().st_mode & 0o077 == 0
    message = pickle.dumps((1, "stop", ("by a stranger", ExitCode.FAILED)))
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(10)
        stranger.connect(address)
        stranger.sendall(b"x" * len(server.invitation["secret"]) + len(message).to_bytes(8) + message)
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(100) == b""
    assert coordinator.stopped is None
    server.close()


def test_a_stop_is_known_with_the_next_answer(server: CoordinatorServer, coordinator: Coordinator) -> None:
    remote = visit(server)
    coordinator.stop(HarnessError("enough"), ExitCode.BUDGET)
    assert remote.stopped is None
    remote.loop.run(remote.enter([]))
    assert (str(remote.stopped), remote.exit_code) == ("enough", ExitCode.BUDGET)
    remote.close()
    server.close()


def test_a_worker_whose_coordinator_is_gone_is_told_so(
    server: CoordinatorServer, coordinator: Coordinator
) -> None:
    remote = visit(server)
    remote.loop.run(remote.enter([]))
    server.close()
    coordinator.wind_down()
    coordinator.close()
    with pytest.raises(HarnessError, match=LEFT_ALONE):
        remote.loop.run(_until_told(remote))
    assert str(remote.stopped) == LEFT_ALONE
    remote.close()


async def _until_told(remote: RemoteCoordinator) -> None:
    await asyncio.wait_for(remote._listening, 10)
    await remote.enter([])
