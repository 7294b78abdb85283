"""What to do about a session that selected nothing, in one line at its end."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest

from harness.console import write_line
from harness.errors import HarnessError
from harness.plugin.internals import explicit_option
from harness.plugin.state import PluginState, state_of

OPERATORS = frozenset({"and", "or", "not", "True", "False", "None"})
LISTED = 5
"""Names that one line shows."""


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        skipped = [
            one for one in terminalreporter.stats.get("skipped", ()) if isinstance(one.longrepr, tuple)
        ]
        for report in skipped:
            write_line(terminalreporter, f"{report.nodeid}: {report.longrepr[2]}")
        if not skipped:
            write_line(terminalreporter, suggestion(state_of(config)))


def suggestion(state: PluginState) -> str:
    """Where the experiment is that ``-k`` names, or how to find out which there are."""
    config = state.config
    keyword = config.option.keyword or ""
    if state.wanted is not None:
        return f"No case matches -k {keyword!r}. Leave it out, or see the cases' names with -- --collect-only -q."
    try:
        guests = state.registered()
    except HarnessError:
        guests = {}
    names = {name: None for guest, experiments in guests.items() for name in (guest, *experiments)}
    found = list(named(keyword, names))
    if not found:
        return (
            "No experiment of this folder was selected. harness list shows the registered ones; "
            "harness run --exp NAME runs one."
        )
    verb, them = ("comes", "it") if len(found) == 1 else ("come", "them")
    command = _command(config, keyword, found)
    return f"{_listed(found)} {verb} with an installed package. Run {them} with: {command}"


def named(keyword: str, names: Iterable[str]) -> Iterator[str]:
    """Which of ``names`` the words of a ``-k`` expression mean: the same name, else part of one, else the nearest.

    >>> list(named("exp_3 and Control", ["exp_3", "exp_31"]))
    ['exp_3']
    """
    names = list(names)
    words = [word for word in re.findall(r"[A-Za-z_][\w.-]*", keyword) if word not in OPERATORS]
    exact = [name for name in names if name in words]
    if exact:
        yield from exact
        return
    lowered = {name.lower(): name for name in names}
    parts = [
        name
        for low, name in lowered.items()
        if any(one in low for one in map(str.lower, words) if len(one) > 2)
    ]
    near = [lowered[low] for word in words for low in difflib.get_close_matches(word.lower(), lowered, n=1)]
    yield from dict.fromkeys(parts or near)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _command(config: pytest.Config, keyword: str, names: Sequence[str]) -> str:
    words = ["harness", "run"]
    for name in names[:LISTED]:
        words += ["--exp", name]
    if keyword not in names:
        words += ["-k", keyword] if any(name in keyword for name in names) else []
    if explicit_option(config, "--count"):
        words += ["--count", str(config.option.count)]
    return shlex.join(words)
