"""The README's own experiment, as a user would copy it into a project that merely installed this package."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from harness.plugin.internals import MARKING
from tests.support.sessions import Lab

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture
def example() -> str:
    blocks: list[str] = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    return next(block for block in blocks if "@pytest.mark.experiment" in block)


def test_no_automatic_fixture_of_this_repository_keeps_its_cases_from_overlapping() -> None:
    root = README.parent
    for path in (
        root / "conftest.py",
        root / "tests/conftest.py",
        *root.glob("tests/experiments/**/conftest.py"),
    ):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(
                "autouse" in ast.unparse(d) for d in node.decorator_list
            ):
                assert not any(isinstance(part, ast.Yield) for part in ast.walk(node)), (path, node.name)


def test_no_hook_of_this_repository_makes_its_experiments_wait_for_all_other_tests_to_be_collected() -> None:
    root = README.parent
    for path in (root / "conftest.py", *root.glob("tests/**/conftest.py")):
        defined = {
            node.name
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.FunctionDef)
        }
        assert defined.isdisjoint(MARKING), path


def test_it_is_at_most_30_lines(example: str) -> None:
    assert len(example.splitlines()) <= 30


def test_it_runs_by_pytest(lab: Lab, example: str) -> None:
    lab.write("", test_haggling=example)
    result = lab.run(model="rehearsal")
    result.assert_outcomes(passed=4)
    assert lab.artifact()["finished_all_experiments"] is True
    assert set(lab.artifact()["experiments"]["Control"]["results"]) == {"Courtesy", "remarks"}
    assert lab.meta()["missing_samples"] == []
    result.stdout.fnmatch_lines(
        ["REHEARSAL: *", "metric *Control*Concise*difference", "Courtesy*", "remarks*"]
    )


def test_it_runs_by_the_command_line_in_a_process_of_its_own(lab: Lab, example: str) -> None:
    lab.write("", test_haggling=example)
    done = lab.command("run", "test_haggling.py", "--count", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.artifact()["finished_experiments"] == ["Control", "Concise"]
    assert "Warning" not in done.stdout


def test_the_overriding_fixture_of_the_readme_works(lab: Lab, example: str) -> None:
    (override,) = re.findall(r"```python\n(@pytest.fixture\n.*?)```", README.read_text("utf-8"), re.DOTALL)
    lab.write("", test_haggling=f"from harness import Correction\n{example}\n\n{override}")
    lab.run("--count=1", model="rehearsal").assert_outcomes(passed=2)
    thresholds = {line["group"]: line["correction"] for line in lab.lines(kind="run_metadata")}
    assert thresholds["Control"] == {"enabled": False}
    assert thresholds["Concise"]["quality_threshold"] == 8
