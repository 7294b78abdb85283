"""What all commands share: help of 80 columns in sections, one way to name results, version and completion."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from harness.cli.app import app
from harness.runtime.settings import setting_fields
from tests.support.sessions import Lab

APP = get_command(app)
LOCATIONS = {"results", "results_dir", "studies_dir"}
FORMER = {
    "--results",
    "--root",
    "--strict-instrument",
    "--base-url",
    "--model-options",
    "--numprocesses",
    "-n",
}


def commands(command: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group, with the words that name it."""
    yield words, command
    context = command.make_context("harness", [], resilient_parsing=True)
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from commands(command.get_command(context, name), *words, name)


ALL = dict(commands(APP))
LEAVES = {words: one for words, one in ALL.items() if not hasattr(one, "list_commands")}


def shown(*words: str) -> str:
    result = CliRunner(env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).invoke(
        app, [*words, "--help"], prog_name="harness"
    )
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_no_line_of_help_is_cut_or_wider_than_80_columns(words: tuple[str, ...]) -> None:
    text = shown(*words)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    cut = [line for line in text.splitlines() if line.endswith("...") and not line.startswith("Usage")]
    assert not cut
    assert "Not available" not in text


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_option_and_argument_has_help_and_former_names_are_hidden(words: tuple[str, ...]) -> None:
    for one in LEAVES[words].params:
        if one.name != "help" and not one.hidden:
            assert one.help, f"{one.name} has no help"
            assert not FORMER & {*one.opts} or one.opts == ["--network", "-n"], one.opts
            assert (
                one.help[0].isupper() or one.help[0] in "'<" or re.match(r"[\w.]+\.(ya?ml|json)", one.help)
            ), one.help


def test_help_of_a_long_command_has_the_sections_of_its_settings() -> None:
    headings = re.findall(r"^(\S.*):$", shown("run"), re.MULTILINE)
    sections = [one.section[:1].upper() + one.section[1:] for one in setting_fields().values()]
    assert headings == [
        "Arguments",
        "Options",
        *(name for name in dict.fromkeys(sections) if name != "Estimate"),
    ]


def test_every_command_names_results_in_one_way() -> None:
    visible = {
        words: {option for one in leaf.params if not one.hidden for option in one.opts}
        for words, leaf in LEAVES.items()
    }
    with_results = {words for words, options in visible.items() if "--results-dir" in options}
    positional = {
        words for words, leaf in LEAVES.items() if any(one.name == "results" for one in leaf.params)
    }
    assert positional <= with_results
    assert len(with_results) >= 18
    for words, options in visible.items():
        assert not options & {"--results", "--root", "--output-dir", "--directory"}, words
        assert ("--studies-dir" in options) == (words[0] == "study"), words


@pytest.mark.parametrize(
    "former",
    [
        ("query", "select count(*) from trials", "--results", "kept"),
        ("db", "build", "--results", "kept"),
        ("check", "kept"),
        ("plan", "show", "--results-dir", "kept"),
        ("study", "init", "town", "--root", "kept"),
    ],
    ids=" ".join,
)
def test_former_spellings_still_work(
    lab: Lab, former: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab.run("--results-dir=kept", "-k", "Control").ret == 0
    result = CliRunner().invoke(app, [*former])
    assert result.exit_code == 0 or "no locked plan" in str(result.exception), result.output


def test_commands_read_the_results_folder_of_the_file(lab: Lab) -> None:
    (lab.path / "pyproject.toml").write_text('[tool.harness]\nresults_dir = "kept"\n')
    assert lab.run("-k", "Control").ret == 0
    assert list(Path("kept").glob("*.jsonl"))
    assert "small" in lab.command("check").stdout
    both = lab.command("check", "kept", "--results-dir", "kept")
    assert (both.returncode, both.stderr) == (
        4, "ERROR: Results are named twice; expected either --results-dir DIR or files.\n",
    )  # fmt: skip
    absent = lab.command("check", "--results-dir", "gone")
    assert absent.stderr == "ERROR: gone: no such file or folder; expected results of a run.\n"


def test_the_version_is_the_package_s() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"harness {version('persona-harness')}\n")


def completed(words: str) -> str:
    """What the shell is offered after ``words``."""
    environment = os.environ | {
        "_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1),
    }  # fmt: skip
    code = "import sys; sys.argv[0] = 'harness'; from harness.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("harness est", "estimate"),
        ("harness run --exp exp_2", "exp_2_1"),
        ("harness run --response-format sch", "schema"),
    ],
)
def test_the_shell_completes_commands_experiments_and_choices(words: str, expected: str) -> None:
    assert expected in completed(words).split()


def test_pytest_shows_the_options_in_groups(lab: Lab) -> None:
    text = lab.bare("--help").stdout.str()
    for section in dict.fromkeys(one.section for one in setting_fields().values()):
        assert f"experiments (harness): {section}; with -m experiment the short names work too:" in text
    assert "strict-instrument" not in text
