"""The names of the session's options: ``--harness-NAME`` everywhere, ``--NAME`` where no other plugin defines it.

Only the long forms are registered, so that no other plugin's or conftest's option collides with ours. A session that
selects experiments understands the short forms too: they are rewritten before pytest parses its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import pytest

from harness.plugin.internals import expand_files, option_strings, parser_of, reread_paths, selects

LONG = "--harness-"
GROUP = "harness"


def option_of(config: pytest.Config, name: str) -> Any:
    """The value of the option ``name``, such as ``"results_dir"``."""
    return config.getoption(f"harness_{name}")


def long_form(short: str) -> str:
    """
    >>> long_form("--results-dir")
    '--harness-results-dir'
    """
    return LONG + short.removeprefix("--")


def arguments(options: Mapping[str, Any]) -> list[str]:
    """Arguments of pytest for ``options``: ours by name, pytest's own as they are written.

    ``None`` and ``False`` leave an option out, ``True`` gives it without a value, a list repeats it.

    >>> arguments({"results_dir": "runs", "fresh": True, "rpm": None, "--count": 2})
    ['--harness-results-dir=runs', '--harness-fresh', '--count=2']
    """
    given = []
    for name, value in options.items():
        option = name if name.startswith("-") else LONG + name.replace("_", "-")
        for one in value if isinstance(value, list) else [value]:
            if one is True:
                given.append(option)
            elif one is not None and one is not False:
                given.append(f"{option}={one}")
    return given


class _Rewritten(str):
    """A long form, and the short one that was typed."""

    typed: str


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    """Rewrite short names while conftests load, then return those that a conftest has defined.

    They are rewritten first because pytest would take the value of an unknown option for the path of a test.
    """
    if not selects(early_config.known_args_namespace, "experiment"):
        return (yield)
    args[:] = _rewritten(expand_files(args), _short_names(parser) - option_strings(parser))
    reread_paths(early_config, parser, args)
    result = yield
    foreign = _foreign(parser)
    args[:] = [
        one.typed if isinstance(one, _Rewritten) and one.typed.partition("=")[0] in foreign else one
        for one in args
    ]
    if foreign:
        parser.extra_info["harness"] = _explanation(foreign)
    return result


def _rewritten(args: Sequence[str], names: set[str]) -> list[str]:
    """``args`` with the long form for each of ``names``, up to ``--``."""
    end = args.index("--") if "--" in args else len(args)
    return [_rewrite(one) if one.partition("=")[0] in names else one for one in args[:end]] + [*args[end:]]


def _rewrite(typed: str) -> _Rewritten:
    rewritten = _Rewritten(long_form(typed))
    rewritten.typed = typed
    return rewritten


def _short_names(parser: pytest.Parser) -> set[str]:
    ours = option_strings(parser, GROUP)
    return {"--" + name.removeprefix(LONG) for name in ours if name.startswith(LONG)}


def _foreign(parser: pytest.Parser) -> list[str]:
    """Our short names that other plugins or conftests define."""
    return sorted(_short_names(parser) & option_strings(parser))


def _explanation(names: Sequence[str]) -> str:
    verb, what = ("is", "an option") if len(names) == 1 else ("are", "options")
    return (
        f"{', '.join(names)} {verb} {what} of another plugin or conftest here; "
        f"for experiments write {', '.join(map(long_form, names))}."
    )


def foreign_names(config: pytest.Config, text: str | None = None) -> str:
    """How to write the options whose short names are another plugin's: all, or those that ``text`` mentions.

    Empty without any.
    """
    names = _foreign(parser_of(config))
    if text is not None:
        names = [name for name in names if re.search(rf"(?<![\w-]){name}(?![\w-])", text)]
    return _explanation(names) if names else ""
