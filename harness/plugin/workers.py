"""Sessions under pytest-xdist: workers run cells and reach the coordinator in the process that you started.

Workers get its address and the session's secret in ``workerinput``, and report faults in ``workeroutput``, so that each
is reported once.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Generator
from typing import Any

import pytest

from harness.console import visible
from harness.errors import ConfigurationError, ExitCode, HarnessError
from harness.plugin.overlap import start_coordinator
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
from harness.plugin.turn import compare, say_notes
from harness.runtime.coordinator import DRAIN_SECONDS
from harness.runtime.remote import CoordinatorServer

TELL_EVERY = 1.0
"""Seconds between two updates of the display."""


def hooks(config: pytest.Config) -> list[Controller | Worker]:
    """The hooks that this process needs: none without ``-n``."""
    option = config.option
    if invitation_of(config) is not None:
        return [Worker()]
    distributed = getattr(option, "dist", "no") != "no" and bool(getattr(option, "tx", ()))
    return [Controller(config)] if distributed else []


class Controller:
    """Hooks of the process that you started."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._server: CoordinatorServer | None = None
        self._over = threading.Event()
        self._teller = threading.Thread(target=self._tell_progress, name="progress", daemon=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Start the coordinator before the first worker."""
        state = state_of(self._config)
        try:
            if state.settings.estimate:
                raise ConfigurationError("--estimate: leave -n out; a rehearsal runs in one process.")
            self._server = CoordinatorServer(start_coordinator(state))
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
        """Stop the session for what stopped a worker, as without workers."""
        state = state_of(self._config)
        try:
            result = yield
        except KeyboardInterrupt:
            _end_as_without_workers(state)
            raise
        _end_as_without_workers(state)
        compare(state)
        return result

    def _tell_progress(self) -> None:
        """Show progress from a thread, because xdist's loop calls no hook while it waits for workers.

        If this process's event loop is lost, workers would wait forever: then interrupt the main thread, once.
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
    """Hooks of a worker. It sets ``shouldstop`` to end: xdist takes a worker that raises for crashed."""

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
        """Fail fast: report invalid fixtures before any other trial starts."""
        try:
            return (yield)
        except ConfigurationError as error:
            refuse(item.config, error.problems)
            pytest.exit(message_of(item.config, error))
