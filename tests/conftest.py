"""Fixtures that tests of several packages share."""

import functools
import os
import signal
import sys
from collections.abc import Iterator

import pytest
import typer.main
from _pytest.pytester import SysModulesSnapshot
from hypothesis import settings

from tests.support.sessions import lab

__all__ = ["lab"]


@pytest.fixture(scope="session", autouse=True)
def _done_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sessions and commands in this process share what each would otherwise load or work out again."""
    folder = str(tmp_path_factory.getbasetemp())
    make_command = typer.main.get_command

    @functools.cache
    def command(app: typer.Typer, _commands: int, _groups: int) -> object:
        return make_command(app)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            pytest.Pytester,
            "_Pytester__take_sys_modules_snapshot",  # it would forget installed modules, and numpy loads only once
            lambda _: SysModulesSnapshot(preserve=lambda name: not _is_below(folder, sys.modules[name])),
        )
        patch.setattr(
            "typer.main.get_command",
            lambda app: command(app, len(app.registered_commands), len(app.registered_groups)),
        )
        patch.setattr(sys, "dont_write_bytecode", True)  # a test may write a file twice within a second
        patch.setattr("_pytest.config._iter_rewritable_modules", lambda _files: ())  # they are loaded already
        yield


def _is_below(folder: str, module: object) -> bool:
    places = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or ())]
    return any(str(place).startswith(folder) for place in places)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell starts background work deaf to Ctrl-C, and a deaf session starts deaf sessions; tests interrupt theirs."""

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("searching", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
"""The same commit gives the same verdict, on a busy machine too; ``HYPOTHESIS_PROFILE=searching`` looks for new
counterexamples."""
