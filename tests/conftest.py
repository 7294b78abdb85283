"""Fixtures that tests of several packages share."""

import functools
import importlib.metadata
import os
import signal
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main
from _pytest.fixtures import FixtureFunctionDefinition, FixtureManager
from _pytest.pytester import SysModulesSnapshot
from hypothesis import settings

from tests.support.sessions import lab

__all__ = ["lab"]


_patch = pytest.MonkeyPatch()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the sessions and commands in this process share what each would otherwise load or compute again.

    This is a hook, not a fixture: cases of experiments overlap only without fixtures that have a teardown.
    """
    if item.get_closest_marker("experiment") or _patch._setattr:
        return
    folder = str(item.config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]
    make_command = typer.main.get_command

    @functools.cache
    def command(app: typer.Typer, _commands: int, _groups: int) -> object:
        return make_command(app)

    _patch.setattr(
        pytest.Pytester,
        "_Pytester__take_sys_modules_snapshot",  # it would forget installed modules, and numpy loads only once
        lambda _: SysModulesSnapshot(preserve=lambda name: not _is_below(folder, sys.modules[name])),
    )
    _patch.setattr(
        "typer.main.get_command",
        lambda app: command(app, len(app.registered_commands), len(app.registered_groups)),
    )
    _patch.setattr(sys, "dont_write_bytecode", True)  # a test may write a file twice within a second
    _patch.setattr(  # it lists the files of every installed distribution; the plugins are loaded already
        "_pytest.config.Config._mark_plugins_for_rewrite", lambda *_arguments, **_options: None
    )
    for name in ("entry_points", "metadata"):  # each session reads those of all distributions several times
        _patch.setattr(importlib.metadata.PathDistribution, name, _read_once(name), raising=False)
    _patch.setattr(FixtureManager, "parsefactories", _skip_without_fixtures(FixtureManager.parsefactories))


def _read_once(name: str) -> property:
    """The property of a distribution, kept for those that were installed before the tests started."""
    read: Callable[[object], object] = getattr(importlib.metadata.Distribution, name).fget
    kept: dict[str, object] = {}

    def get(distribution: importlib.metadata.PathDistribution) -> object:
        folder = distribution._path  # type: ignore[attr-defined]
        if getattr(folder, "parent", None) not in _INSTALLED:
            return read(distribution)
        if str(folder) not in kept:
            kept[str(folder)] = read(distribution)
        return kept[str(folder)]

    return property(get)


def _skip_without_fixtures(parse: Callable[..., None]) -> Callable[..., None]:
    """Skip installed plugins without a fixture, which are most of pytest's own: each session looks at every name."""

    @functools.cache
    def has_none(plugin: types.ModuleType | type) -> bool:
        is_module = isinstance(plugin, types.ModuleType)
        home = plugin if is_module else sys.modules.get(plugin.__module__)
        is_installed = not _INSTALLED.isdisjoint(Path(getattr(home, "__file__", None) or "/").parents)
        names = (plugin,) if is_module else plugin.__mro__
        return is_installed and not any(
            isinstance(one, FixtureFunctionDefinition) for place in names for one in vars(place).values()
        )

    def parsefactories(manager: FixtureManager, *arguments: object, **named: object) -> None:
        holder = named.get("holder", arguments[0] if arguments else None)
        is_users = isinstance(holder, pytest.Module | pytest.Class | pytest.Package)
        if is_users or not has_none(holder if isinstance(holder, types.ModuleType | type) else type(holder)):
            parse(manager, *arguments, **named)

    return parsefactories


_INSTALLED = frozenset(map(Path, filter(os.path.isdir, sys.path)))


def pytest_unconfigure() -> None:
    _patch.undo()


def _is_below(folder: str, module: object) -> bool:
    places = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or ())]
    return any(str(place).startswith(folder) for place in places)


for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
"""Background work of a shell ignores Ctrl-C, ``nohup`` a closed terminal, and a session starts others with what it
ignores; tests interrupt theirs."""

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("searching", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
"""The same commit gives the same verdict, on a busy machine too; ``HYPOTHESIS_PROFILE=searching`` looks for new
counterexamples."""
