"""``harness table1`` from the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.experiments.table1.settings import EXP_3
from tests.support.published import copied, june_artifacts
from tests.support.terminal import Command, command


@pytest.fixture
def table1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command(monkeypatch, capsys, "table1", "--artifacts")


def test_validate_passes_on_the_published_artifacts(table1: Command) -> None:
    said = table1(june_artifacts(), "--validate")
    assert said.code == 0 and "Computation reproduced: all 19 rows" in said.out


def test_validate_fails_on_a_changed_sample(table1: Command, tmp_path: Path) -> None:
    def change(name: str, content: dict[str, Any]) -> None:
        if name == EXP_3.artifact:
            content["experiments"]["Treatment"]["results"]["Divergence"][0] += 1

    said = table1(copied(tmp_path / "a", change), "--validate")
    assert said.code == 1 and "NOT VALIDATED" in said.out
    assert "exp_3, divergence: Treatment's mean is" in said.out


def test_an_experiment_without_artifact_is_not_validated(table1: Command, tmp_path: Path) -> None:
    folder = copied(tmp_path / "a")
    (folder / EXP_3.artifact).unlink()
    said = table1(folder, "--validate")
    assert said.code == 1 and "exp_3: no artifact in the folder." in said.out
    assert table1(folder, "--validate", "--exp", "exp_1", "--exp", "exp_2_1").code == 0


def test_json_alone_on_stdout(table1: Command) -> None:
    said = table1(june_artifacts(), "--json", "--validate")
    content = json.loads(said.out)
    assert said.out == json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert "Computation reproduced" in said.err
    assert said.out == table1(june_artifacts(), "--json").out


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "nowhere", "no such folder"),
        (lambda folder: folder, "has no artifact of Table 1"),
        (lambda folder: (folder / EXP_3.artifact).write_text("{") and folder, "is not JSON: line 1"),
    ],
)
def test_mistakes_are_one_message_and_exit_4(
    table1: Command, tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    found = table1(make(tmp_path))
    assert found.code == 4 and found.out == ""
    assert found.err.startswith("ERROR: ") and said in found.err and "Traceback" not in found.err
