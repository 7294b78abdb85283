"""Under pytest-xdist: the process that was started has the desk, and its workers come to it to play cells.

Workers are told where, and the session's secret, in ``workerinput``; what cannot be had comes back in ``workeroutput``,
so that it is said once.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Generator
from typing import Any

import pytest

from harness.console import visible
from harness.errors import ConfigurationError, ExitCode, HarnessError
from harness.plugin.overlap import start_with_desk
from harness.plugin.progress import Display
from harness.plugin.state import (
    WORKER,
    PluginState,
    error_text,
    invitation_of,
    message_of,
    refuse,
    state_of,
)
from harness.plugin.turn import say_notes
from harness.runtime.coordinator import DRAIN_SECONDS
from harness.runtime.remote import DeskServer

TELL_EVERY = 1.0
"""Seconds between two looks at what there is to show."""


def hooks(config: pytest.Config) -> list[Controller | Worker]:
    """What this process needs of the following; nothing without ``-n``."""
    option = config.option
    if invitation_of(config) is not None:
        return [Worker()]
    distributed = getattr(option, "dist", "no") != "no" and bool(getattr(option, "tx", ()))
    return [Controller(config)] if distributed else []


class Controller:
    """Hooks of the process that was started."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._server: DeskServer | None = None
        self._over = threading.Event()
        self._teller = threading.Thread(target=self._tell_progress, name="progress", daemon=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Be there before the first worker is."""
        state = state_of(self._config)
        try:
            if state.settings.estimate:
                raise ConfigurationError("--estimate: leave -n out; a rehearsal runs in one process.")
            self._server = DeskServer(start_with_desk(state))
            self._server.start()
            self._teller.start()
        except HarnessError as error:
            if state.session is not None:
                state.session.close()
            raise pytest.UsageError(message_of(self._config, error)) from None

    def pytest_configure_node(self, node: Any) -> None:
        if not node.gateway.spec.popen:
            raise pytest.UsageError(
                visible(f"--tx {node.gateway.spec}: experiments run on this machine; expected popen.")
            )
        assert self._server is not None
        node.workerinput[WORKER] = self._server.invitation

    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        coordinator = state_of(self._config).coordinator
        if coordinator is not None:
            coordinator.expect(len(ids))

    def pytest_runtest_logreport(self) -> None:
        say_notes(state_of(self._config))

    def pytest_testnodedown(self, node: Any) -> None:
        faults = getattr(node, "workeroutput", {}).get(WORKER, ())
        state_of(self._config).faults.update(dict.fromkeys(faults))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, Any, Any]:
        """What stopped a worker stops the session, as it would without workers."""
        state = state_of(self._config)
        try:
            result = yield
        except KeyboardInterrupt:
            _end_as_without_workers(state)
            raise
        _end_as_without_workers(state)
        return result

    def _tell_progress(self) -> None:
        """Show progress from a thread of its own: xdist's loop calls nothing while it waits for its workers.

        They wait for ever where this process's event loop is lost: then the main thread is interrupted, once.
        """
        display, coordinator = Display.of(self._config), state_of(self._config).coordinator
        while not self._over.wait(TELL_EVERY):
            if coordinator is not None and coordinator.loop.lost is not None:
                _thread.interrupt_main()
                return
            display.show(coordinator, live=False)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._over.set()
        if self._teller.is_alive():
            self._teller.join()
        if self._server is not None:
            self._server.close(0 if exitstatus == ExitCode.INTERRUPTED else DRAIN_SECONDS)


def _end_as_without_workers(state: PluginState) -> None:
    if state.faults:
        raise pytest.UsageError(error_text(state.config, "\n".join(state.faults))) from None
    if state.coordinator is not None and state.coordinator.stopped:
        pytest.exit(
            message_of(state.config, state.coordinator.stopped), returncode=int(state.coordinator.exit_code)
        )


class Worker:
    """Hooks of a worker. It ends in xdist's own way: one that leaves by an error is taken to have crashed."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, Any, Any]:
        try:
            return (yield)
        except pytest.UsageError as error:
            refuse(session.config, [str(error)])
            session.shouldstop = str(error)
        except pytest.exit.Exception as stop:
            session.shouldstop = stop.msg
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """What a case is made of cannot be had: that is said before anything else is played."""
        try:
            return (yield)
        except ConfigurationError as error:
            refuse(item.config, error.problems)
            pytest.exit(message_of(item.config, error))
