"""The exact requests of an experiment's first calls, made offline and left nowhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.sessions import SMALL
from tests.support.terminal import Command, command

TOLD = SMALL.replace('Group("Treatment")', 'Group("Treatment", instructions="Be concise,\\x1b[31m always.")')


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    name = f"{tmp_path.name}.py"  # another module in each test: they share a process
    Path(name).write_text(TOLD)
    run = command(monkeypatch, capsys)
    return lambda *words: run(words[0], name, *words[1:])


def test_the_first_calls_of_each_group_are_printed_and_nothing_is_left(
    harness: Command, tmp_path: Path
) -> None:
    said = harness("prompts", "--calls", "1")
    assert said.code == 0 and not said.err
    assert "small, Control: 1 call\n\n--- call 1: act, Ada, step 1\n[system]\nYou are Ada" in said.out
    assert "Be concise,\\x1b[31m always." in said.out, (
        "control characters are shown, not sent to the terminal"
    )
    assert "[user]\nEveryone hears: Agree on a bicycle." in said.out
    assert [path.name for path in Path().iterdir() if path.name != "__pycache__"] == [tmp_path.name + ".py"]


def test_a_difference_is_the_treatment_alone(harness: Command) -> None:
    said = harness("prompts", "--calls", "1", "--diff", "Control", "Treatment")
    changed = [line for line in said.out.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == ["+", "+# In this conversation", "+", "+Be concise,\\x1b[31m always."]


def test_groups_are_printed_in_the_order_of_their_declaration(harness: Command, tmp_path: Path) -> None:
    Path(f"{tmp_path.name}.py").write_text(SMALL.replace("Treatment", "Beta").replace("Control", "Gamma"))
    said = harness("prompts", "--calls", "1")
    assert re.findall(r"^small, (\w+):", said.out, re.MULTILINE) == ["Gamma", "Beta"]


def test_the_model_that_an_arm_names_is_part_of_a_difference(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    Path(f"{tmp_path.name}.py").write_text(
        SMALL.replace('Group("Treatment")', 'Group("Treatment", model="openai:b")').replace(
            'Group("Control")', 'Group("Control", model="openai:a")'
        )
    )
    said = harness("prompts", "--calls", "1", "--diff", "Control", "Treatment")
    changed = [line for line in said.out.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == ["-[model] openai:a", "+[model] openai:b"]


def test_json_has_every_field(harness: Command) -> None:
    found = json.loads(harness("prompts", "--group", "Control", "--json").out)
    first = found["small"]["Control"][0]
    assert first["kind"] == "act" and first["messages"][0]["role"] == "system"
    assert first["response_format"]["json_schema"]["name"] == "turn"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--diff", "Control", "Treatmant"], "no such group of small.*Did you mean 'Treatment'"),
        (["--group", "Nobody"], "--group 'Nobody': no such group"),
    ],
)
def test_a_group_that_is_not_there_is_named(harness: Command, words: list[str], problem: str) -> None:
    said = harness("prompts", *words)
    assert said.code == 4
    assert re.search(problem, said.err)
