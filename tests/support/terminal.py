"""The command line inside a test: words in; exit code, output and errors out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from harness.cli import main


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *first: str) -> Command:
    """``harness`` with the words ``first``, to be called with the rest."""

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["harness", *first, *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return Said(int(left.value.code or 0), *capsys.readouterr())

    return run
