"""All uses of pytest's private API.

Checked against pytest 8.4 to 9.2; `pyproject.toml` keeps pytest below the next untested major version.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import inspect
import itertools
import re
import sys
from collections.abc import Collection, Iterator
from typing import Any

import pytest
from _pytest.fixtures import FixtureDef, _get_direct_parametrize_args
from _pytest.mark.expression import Expression
from _pytest.mark.structures import ParameterSet, get_unpacked_marks
from _pytest.python import PyobjMixin

from harness.console import on_one_line
from harness.runtime.output_capture import not_from_a_trial, routed

MANY = 10
"""Names in a ``-m`` expression whose presence and absence are both tried."""

GENERATING = "pytest_generate_tests"
MARKING = ("pytest_collection_modifyitems", "pytest_itemcollected", GENERATING)
"""Hooks that can add marks to a test."""

_ADDS_MARKS = pytest.StashKey[bool]()


def generator_fixtures(item: pytest.Function) -> list[str]:
    """Names of the fixtures of ``item`` that have a teardown after a ``yield``."""
    definitions = item._fixtureinfo.name2fixturedefs
    return [name for name, stack in definitions.items() if inspect.isgeneratorfunction(stack[-1].func)]


def undefined_fixtures(definition: pytest.Function) -> set[str]:
    """Names that ``definition`` or its fixtures request and that nothing defines or parametrizes."""
    info = definition._fixtureinfo
    return {*info.names_closure} - info.name2fixturedefs.keys() - _get_direct_parametrize_args(definition)


def names_behind(item: pytest.Function, fixture: str) -> set[str]:
    """All names that ``fixture`` depends on for ``item``, itself and overridden fixtures included.

    ``request`` counts only if a fixture outside this package requests it, because that one may use anything.
    """
    definitions = item._fixtureinfo.name2fixturedefs
    names, waiting = {fixture}, [fixture]
    while waiting:
        for definition in definitions.get(waiting.pop(), ()):
            ours = str(definition.func.__module__).startswith("harness.")
            new = {*definition.argnames} - names - ({"request"} if ours else set())
            names |= new
            waiting += new
    return names


def fill(item: pytest.Function, module: str) -> None:
    """Compute the fixtures of ``item`` directly if all of them are plain ones of ``module``.

    The values are the same as pytest's, whose own way takes most of a short case's time. Existing values stay.
    """
    if item.funcargs.keys() >= {*item.fixturenames}:
        return
    definitions = {name: stack[-1] for name, stack in item._fixtureinfo.name2fixturedefs.items()}
    if any(definition.func.__module__ != module for definition in definitions.values()):
        return
    values: dict[str, Any] = {"request": item._request}

    def value(name: str) -> Any:
        if name not in values:
            definition = definitions[name]
            values[name] = definition.func(**{needed: value(needed) for needed in definition.argnames})
        return values[name]

    item.funcargs.update({name: value(name) for name in item.fixturenames})


MAY_SKIP = frozenset({"skip", "skipif", "xfail"})


def only_pytest_sets_up(item: pytest.Function, ours: str) -> bool:
    """Whether setting up ``item`` means its fixtures alone: no mark may skip it, and no other plugin has a hook.

    ``ours`` is the module whose hook is known.
    """
    if any(mark.name in MAY_SKIP for mark in item.iter_markers()):
        return False
    known = (ours, "pytest_rerunfailures")
    owners = (_module(one.plugin) for one in item.ihook.pytest_runtest_setup.get_hookimpls())
    return all(owner in known or owner.startswith("_pytest.") for owner in owners)


def _module(plugin: Any) -> str:
    return str(plugin.__name__ if inspect.ismodule(plugin) else type(plugin).__module__)


@contextlib.contextmanager
def set_up(item: pytest.Function, nextitem: pytest.Function | None) -> Iterator[list[str]]:
    """Set up ``item`` as pytest does, yield the names of fixtures with finalizers, and tear it down again.

    Fixtures of wider scope are kept for ``nextitem``.
    """
    try:
        item.ihook.pytest_runtest_setup(item=item)
        yield _with_finalizers(item)
    finally:
        item.session._setupstate.teardown_exact(nextitem)
        for stack in item._fixtureinfo.name2fixturedefs.values():
            if stack[-1].cached_result is None:  # pytest forgets these where a fixture raised SystemExit
                stack[-1]._finalizers.clear()
        item._report_sections.clear()
        item._initrequest()


def _with_finalizers(item: pytest.Function) -> list[str]:
    fixtures = [stack[-1] for stack in item._fixtureinfo.name2fixturedefs.values()]
    names = [fixture.argname for fixture in fixtures if any(map(_is_own, fixture._finalizers))]
    on_item = item.session._setupstate.stack[item][0]
    return names + ["the case itself"] * any(_is_own(one) for one in on_item[1:])


def _is_own(finalizer: Any) -> bool:
    """Whether a fixture added this finalizer, and not pytest itself."""
    if isinstance(finalizer, functools.partial):
        return getattr(finalizer.func, "__func__", None) is not FixtureDef.finish
    return not getattr(finalizer, "__qualname__", "").startswith("FixtureDef.")


def keep_trial_logs_apart(config: pytest.Config) -> None:
    """Keep log records of other cases' trials out of pytest's per-case log handlers."""
    plugin = config.pluginmanager.get_plugin("logging-plugin")
    for name in ("caplog_handler", "report_handler"):
        handler = getattr(plugin, name, None)
        if handler is not None:
            handler.addFilter(not_from_a_trial)


def keep_trial_prints_apart(config: pytest.Config) -> contextlib.AbstractContextManager[None]:
    """While active, keep what trials print for their cases, whether or not pytest is capturing."""
    places: list[tuple[Any, str]] = [(sys, "stdout"), (sys, "stderr")]
    capturing = getattr(config.pluginmanager.get_plugin("capturemanager"), "_global_capturing", None)
    for part in (getattr(capturing, "out", None), getattr(capturing, "err", None)):
        streams = getattr(part, "syscapture", part)
        places += [(streams, name) for name in ("tmpfile", "_old") if hasattr(streams, name)]
    return routed(*places)


def asks_for(expression: str, marker: str) -> bool:
    """Whether the ``-m`` expression names ``marker`` and can hold for a test because it has it."""
    return bool(re.search(rf"\b{marker}\b", expression)) and _can_hold(expression, marker, present=True)


def requires(expression: str, marker: str) -> bool:
    """Whether the ``-m`` expression holds for no test that lacks ``marker``."""
    return bool(expression) and not _can_hold(expression, marker, present=False)


def _can_hold(expression: str, marker: str, *, present: bool) -> bool:
    """Whether some choice of other marks makes ``expression`` hold for a test that has ``marker`` or lacks it.

    Beyond ``MANY`` other names, the rest count as absent; without ``marker`` the expression then counts as one that can
    hold.
    """
    compiled = Expression.compile(expression)
    others = sorted({*re.findall(r"[A-Za-z_][\w.]*", expression)} - {marker})
    if len(others) > MANY and not present:
        return True
    for having in itertools.product((True, False), repeat=len(others[:MANY])):
        marks = dict(zip(others, having, strict=False))
        if compiled.evaluate(lambda name, /, **_: present if name == marker else marks.get(name, False)):  # noqa: B023
            return True
    return False


def lacks(collector: pytest.Module | pytest.Class, function: object, marker: str, ours: str) -> bool:
    """Whether no item that pytest makes of ``function`` can have ``marker``.

    A mark can be on the function, on one of its parameter sets, or on its class, module or package; or a hook of the
    project adds it (see `_adds_marks`). ``ours`` is this package.
    """
    return not (
        any(mark.name == marker or _may_bring(mark, marker) for mark in get_unpacked_marks(function))
        or collector.get_closest_marker(marker) is not None
        or _adds_marks(collector, ours)
    )


def _may_bring(mark: pytest.Mark, marker: str) -> bool:
    """Whether ``mark`` is a parametrization that may add ``marker`` to a parameter set."""
    if mark.name != "parametrize":
        return False
    sets = mark.kwargs.get("argvalues", mark.args[1] if len(mark.args) > 1 else ())
    if not isinstance(sets, Collection):
        return True  # an iterator can be read only once
    brought = (one for values in sets if isinstance(values, ParameterSet) for one in values.marks)
    return any(getattr(one, "name", "") == marker for one in brought)


def _adds_marks(collector: pytest.Module | pytest.Class, ours: str) -> bool:
    """Whether a hook of the project may add marks to tests of ``collector``.

    Such hooks are in a conftest, in a test module or class, or in a module that ``-p`` names. Installed plugins are
    trusted not to add our marker.
    """
    found = collector.stash.get(_ADDS_MARKS, None)
    if found is None:
        manager = collector.config.pluginmanager
        installed = {_module(plugin).partition(".")[0] for plugin, _ in manager.list_plugin_distinfo()}
        known = {"_pytest", ours, *installed}
        modules = (
            hook.plugin
            for name in MARKING
            for hook in getattr(collector.ihook, name).get_hookimpls()
            if inspect.ismodule(hook.plugin)
        )
        found = any(_module(one).partition(".")[0] not in known for one in modules) or any(
            hasattr(node.obj, GENERATING) for node in collector.listchain() if isinstance(node, PyobjMixin)
        )
        collector.stash[_ADDS_MARKS] = found
    return found


def selects(options: Any, marker: str) -> bool:
    """Whether ``-m`` in the parsed ``options`` names ``marker``; False for an invalid expression."""
    try:
        return asks_for(getattr(options, "markexpr", None) or "", marker)
    except (SyntaxError, pytest.UsageError):
        return False


def parser_of(config: pytest.Config) -> pytest.Parser:
    return config._parser


def option_strings(parser: pytest.Parser) -> set[str]:
    """All options that are registered so far, as written on the command line."""
    return {
        name
        for group in (parser._anonymous, *parser._groups)
        for one in group.options
        for name in one.names()
    }


def expand_files(args: list[str]) -> list[str]:
    """``args`` with each ``@FILE`` replaced by that file's arguments, as pytest does."""
    return argparse.ArgumentParser(fromfile_prefix_chars="@")._read_args_from_files(args)


def reread_paths(config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Find the test paths in ``args`` again, before pytest looks for their conftests.

    A value that does not parse is refused later, when its option is known.
    """
    with contextlib.suppress(pytest.UsageError):
        options = parser.parse_known_args(args, namespace=copy.copy(config.option))
        config.known_args_namespace.file_or_dir = options.file_or_dir


def uncaptured(config: pytest.Config) -> contextlib.AbstractContextManager[None]:
    """While active, output reaches the terminal during a case."""
    manager = config.pluginmanager.get_plugin("capturemanager")
    disabled: contextlib.AbstractContextManager[None] = (
        contextlib.nullcontext() if manager is None else manager.global_and_fixture_disabled()
    )
    return disabled


def draw_below(config: pytest.Config, text: str) -> None:
    """Show ``text`` on the line below the current one, and keep the cursor where pytest has it."""
    writer = config.get_terminal_writer()
    with uncaptured(config):
        shown, column = on_one_line(text)[: writer.fullwidth - 1], writer.width_of_current_line + 1
        encoding = getattr(writer._file, "encoding", None) or "utf-8"  # pytest does as much for its own lines
        shown = shown.encode(encoding, "replace").decode(encoding)
        writer._file.write(f"\n\r\x1b[K{shown}\x1b[1A\x1b[{column}G")
        writer.flush()


def explicit_option(config: pytest.Config, name: str) -> bool:
    """Whether ``name`` is among the invocation's arguments, even with the default value."""
    arguments = [str(argument) for argument in config.invocation_params.args]
    return any(argument == name or argument.startswith(f"{name}=") for argument in arguments)
