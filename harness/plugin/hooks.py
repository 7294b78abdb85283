"""Call the hooks of `harness.plugin.hookspecs` so that no implementation affects the session or another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from harness.checks import OwnChecks
from harness.errors import HarnessError
from harness.model import Check, Level
from harness.records import FiledRun
from harness.telemetry import Observer
from harness.telemetry.events import CallEnded, CaseStarted, Happening, TrialEnded
from harness.user_code import runner, shown

EVENTS = ("pytest_harness_run_start", "pytest_harness_trial_finished", "pytest_harness_call")


class Hooks:
    """Calls each plugin's implementation by itself; ``failures`` counts what they raised."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.failures: Counter[str] = Counter()

    def implemented(self, *names: str) -> bool:
        """Whether a plugin implements any of these hooks."""
        return any(getattr(self._config.hook, name).get_hookimpls() for name in names)

    def each(self, name: str, **arguments: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        """The name of every plugin that implements the hook, with a function that calls it."""
        manager = self._config.pluginmanager
        plugins = [one.plugin for one in getattr(self._config.hook, name).get_hookimpls()]
        for plugin in plugins:
            call = manager.subset_hook_caller(name, [other for other in plugins if other is not plugin])
            named = getattr(plugin, "__name__", None) or manager.get_name(plugin) or repr(plugin)
            yield str(named), partial(call, config=self._config, **arguments)

    def tell(self, name: str, **arguments: Any) -> None:
        """Call every implementation. What one raises is counted."""
        for plugin, call in self.each(name, **arguments):
            try:
                call()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # pytest.exit and SystemExit too: they must not end the session
                self.failures[f"{name} of {plugin} raised {shown(error)}"] += 1

    def checks(self, run: FiledRun) -> Iterable[Check]:
        """The checks of every plugin. A plugin whose checks fail to run gets a FAIL that says so."""
        for plugin, call in self.each("pytest_harness_checks", run=run):
            try:
                yield from runner.get().call_now(call, what=f"pytest_harness_checks of {plugin}", then=_flat)
            except HarnessError as error:
                yield Check(f"checks of {plugin}", Level.FAIL, str(error), None, "checks that run")

    def with_checks(self, own: OwnChecks) -> OwnChecks:
        """``own`` checks of an experiment, then those of the plugins."""

        def examine(run: FiledRun) -> Iterable[Check]:
            yield from self.checks(run)
            yield from own(run)

        return examine

    def observers(self) -> dict[str, Callable[[], Observer]]:
        """The observer that turns events into calls of hooks, where a plugin implements one."""
        return {"Hooks": lambda: _HookObserver(self)} if self.implemented(*EVENTS) else {}

    def lines(self) -> Iterator[str]:
        """What implementations raised, for the summary."""
        for failure, times in self.failures.items():
            yield f"HOOK FAILED: {failure}{f' ({times} times)' if times > 1 else ''}; the run is not affected."


def _flat(results: Sequence[Iterable[Check]]) -> list[Check]:
    return [check for result in results for check in result]


class _HookObserver:
    """Turns events into calls of hooks."""

    def __init__(self, hooks: Hooks) -> None:
        self._tell, self._runs = hooks.tell, set[str]()

    def handle(self, events: Sequence[Happening]) -> None:
        for event in events:
            if isinstance(event, CallEnded):
                self._tell("pytest_harness_call", call=event)
            elif isinstance(event, TrialEnded):
                self._tell("pytest_harness_trial_finished", trial=event)
            elif isinstance(event, CaseStarted) and event.run_id not in self._runs:
                self._runs.add(event.run_id)
                about = {"experiment": event.cell.experiment, "run_id": event.run_id}
                self._tell("pytest_harness_run_start", **about, facts=event.facts)

    def close(self, timeout: float) -> None:
        """Holds nothing."""
