"""``harness variants``: the answer from records alone, whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import ConfigurationError
from tests.support.tool_runs import planted, write_tool_run


def run(*words: str) -> str:
    done = CliRunner().invoke(app, ["variants", *words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0
    return done.stdout


def test_it_decides_and_decides_the_same_again(tmp_path: Path) -> None:
    write_tool_run(tmp_path, planted(0.5))
    text = run(str(tmp_path))
    assert "applike against baseline: ADOPT" in text
    assert run(str(tmp_path)) == text
    content = json.loads(run(str(tmp_path), "--json"))
    assert content[0]["comparisons"][0]["decision"]["choice"] == "ADOPT"
    assert content[0]["comparisons"][0]["primary"]["unit"] == "scenarios"
    assert "| outcome" in run(str(tmp_path), "--format", "md")


def test_a_part_is_not_taken_for_the_newest_whole_run_and_is_refused(tmp_path: Path) -> None:
    write_tool_run(tmp_path, planted(0.5), run_id="r1")
    write_tool_run(tmp_path, planted(0.5), run_id="r2", only=[3, 4, 5])
    assert "run r1" in run(str(tmp_path))
    part = run(str(tmp_path), "--run", "r2")
    assert "PART: a part: 3 of 20 scenarios" in part and "REFUSED" in part


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file or folder"):
        run(str(tmp_path / "nowhere"))
    write_tool_run(tmp_path, planted(0.5))
    with pytest.raises(ConfigurationError, match="Run 'r9': no records in"):
        run(str(tmp_path), "--run", "r9")


def test_old_turns_are_judged_by_the_current_rules_without_a_call(tmp_path: Path) -> None:
    write_tool_run(tmp_path, planted(0.5))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    text = run(str(tmp_path), "--rejudge")
    assert "of 120 turns have another outcome by the current rules; records are unchanged" in text.replace(
        "\n  ", " "
    )
    assert all(len(line) <= 80 for line in text.splitlines())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
