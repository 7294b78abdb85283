"""A core installation, without the libraries of any extra: a session runs, and every refusal names its extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.extras import EXTRAS, MissingExtraError, extra_of, require
from tests.support.sessions import environment

_SESSIONS = f"""
import contextlib, io, sys
for name in {sorted({name for names in EXTRAS.values() for name in names})!r}:
    sys.modules[name] = None
from harness.cli import main
for command in (
    "run --exp exp_3 --mode fast --count 2", "analyse", "check", "list", "report",
    "power results --metric x --effect 1",
    "bundle --out b.zip", "run --exp tool_variants", "run --exp population",
    "review export --out sheets",
):
    sys.argv = ["harness", *command.split()]
    with contextlib.redirect_stderr(io.StringIO()) as heard:
        try:
            main()
        except SystemExit as end:
            print("CODE", command, "|", end.code, "|", " ".join(heard.getvalue().split()))
"""


def test_a_core_installation_runs_a_session_and_names_the_extra_of_what_it_lacks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SESSIONS],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("CODE ")]
    codes = {command.removeprefix("CODE "): (code, text) for command, code, text in lines}
    assert [code for code, _ in codes.values()] == ["0"] * 4 + ["4"] * 6, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    extras = ("report", "analysis", "data", "tools", "population", "report")
    for extra, (_, text) in zip(extras, list(codes.values())[4:], strict=True):
        assert f"pip install 'persona-harness[{extra}]'" in text


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("harness.reports.data.query", "data"),
        ("harness.reports.page", "report"),
        ("harness.records.reader", None),
    ],
)
def test_an_import_belongs_to_the_extra_of_the_innermost_part(module: str, extra: str | None) -> None:
    assert extra_of(module) == extra


def test_what_is_not_installed_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(
        MissingExtraError,
        match=r"^It needs cronsim\. Install it with: pip install 'persona-harness\[tools\]'$",
    ):
        require("tools", "It")
