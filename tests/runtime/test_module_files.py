"""Modules that another thread is still importing are waited for: half a module has half its names."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

import pytest

from harness.runtime.code.module_files import loaded_module

SLOW = "import threading\nBEGUN, GATE = threading.Event(), threading.Event()\nBEGUN.set()\nGATE.wait(10)\nLAST = 1\n"


def test_half_a_module_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_to_import.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    importing = threading.Thread(target=importlib.import_module, args=("slow_to_import",))
    importing.start()
    while not hasattr(sys.modules.get("slow_to_import"), "GATE"):
        pass
    threading.Timer(0.05, sys.modules["slow_to_import"].GATE.set).start()
    try:
        assert loaded_module("slow_to_import").LAST == 1  # type: ignore[union-attr]
    finally:
        importing.join()
        del sys.modules["slow_to_import"]


def test_what_is_not_loaded_stays_so() -> None:
    assert loaded_module("no.such.module") is None
