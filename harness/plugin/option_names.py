"""The names of the session's options: ``--harness-NAME`` everywhere, ``--NAME`` where no other plugin defines it.

Only the long forms are registered, so that no other plugin's or conftest's option collides with ours. A session that
selects experiments understands the short forms too: they are rewritten before pytest parses its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence

import pytest

from harness.plugin.internals import expand_files, option_strings, parser_of, reread_paths, selects
from harness.runtime.settings import setting_fields

LONG = "--harness-"


def long_form(short: str) -> str:
    """
    >>> long_form("--results-dir")
    '--harness-results-dir'
    """
    return LONG + short.removeprefix("--")


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
    args[:] = _rewritten(expand_files(args), _short_names() - option_strings(parser))
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


def _short_names() -> set[str]:
    names = (name for one in setting_fields().values() for name in (one.name, one.former) if name)
    return {"--" + name.replace("_", "-") for name in names}


def _foreign(parser: pytest.Parser) -> list[str]:
    """Our short names that other plugins or conftests define."""
    return sorted(_short_names() & option_strings(parser))


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
