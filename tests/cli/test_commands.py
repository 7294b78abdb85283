"""The command line, for somebody who need not know pytest."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.cli import main
from tests.support.sessions import CALLS_PER_TRIAL, LIGHT, SMALL, Lab, load


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def everything(self) -> str:
        return self.out + self.err


Command = Callable[..., Said]


@pytest.fixture
def harness(lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``harness`` with some words, in the lab's folder."""

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
        sys.modules.pop("test_small", None)
        with pytest.raises(SystemExit) as left:
            main()
        return Said(int(left.value.code or 0), *capsys.readouterr())

    return run


def test_a_registered_experiment_runs_without_a_test_file(harness: Command, lab: Lab) -> None:
    lab.pytester.makeconftest("raise RuntimeError('no conftest of the folder takes part')")
    said = harness("run", "--exp", "exp_3", "--fast", "--count", "1", "--out", "x.json")
    assert said.code == 0, said.everything
    artifact = load(lab.path / "x.json")
    assert artifact["finished_experiments"] == ["Control", "Treatment"]
    (original,) = lab.artifacts
    assert (lab.path / "x.json").read_bytes() == original.read_bytes()
    assert "exp_3" in original.name
    assert {line["mode"] for line in lab.lines(kind="run_metadata")} == {"fast"}
    assert len(lab.lines(kind="run_metadata")) == 2
    assert "REHEARSAL" in said.out


def test_a_users_own_file_runs(harness: Command, lab: Lab) -> None:
    said = harness("run", "test_small.py", "--exp", "small", "--model", "watched", "--mode", "long")
    assert said.code == 0, said.everything
    assert len(lab.watched.calls) == 12 * CALLS_PER_TRIAL
    assert lab.artifact()["finished_all_experiments"] is True


@pytest.mark.parametrize("verb", ["run", "estimate", "list", "prompts"])
def test_an_experiment_named_in_place_of_a_file_is_one_message_with_the_way_out(
    harness: Command, verb: str
) -> None:
    said = harness(verb, "exp_3")
    assert (said.code, said.out) == (4, "")
    assert said.err == (
        "ERROR: exp_3: no such file or folder; expected a test file or folder. "
        "A registered experiment goes with --exp exp_3.\n"
    )


def test_cases_of_a_registered_experiment_are_chosen_by_keyword(harness: Command, lab: Lab) -> None:
    said = harness("run", "--exp", "tool_variants", "-k", "sister", "--count", "1")
    assert said.code == 0, said.everything
    assert len(lab.lines(kind="run_metadata")) == 2 and len(lab.lines()) == 4
    said = harness("run", "--exp", "tool_variants", "-k", "nothing_like_it")
    assert said.code == 5
    assert "No case matches -k 'nothing_like_it'." in said.out


def test_words_after_two_dashes_go_to_pytest(harness: Command, lab: Lab) -> None:
    said = harness(
        "run", "--exp", "tool_variants", "--count", "1", "--", "--collect-only", "-q", "-k", "plane"
    )
    assert said.code == 0, said.everything
    assert "test_experiment[tool_variants-" in said.out
    assert not list(lab.results.glob("*.jsonl"))


def test_one_of_two_experiments_is_chosen_by_its_whole_name(harness: Command, lab: Lab) -> None:
    lab.write(SMALL, test_other=SMALL.replace('"small"', '"smaller"').replace("test_small", "test_smaller"))
    said = harness("run", ".", "--exp", "small", "--model", "watched")
    assert said.code == 0, said.everything
    assert {line["experiment"] for line in lab.lines(kind="run_metadata")} == {"small"}


def test_one_group_is_a_partial_run(harness: Command, lab: Lab) -> None:
    said = harness("run", "test_small.py", "--group", "Control", "--model", "watched")
    assert said.code == 0
    assert {trial.split("/")[1] for trial in lab.watched.calls} == {"Control"}
    assert lab.artifact()["finished_all_experiments"] is False
    assert "Incomplete." in said.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--exp", "exp_9"], "Unknown experiment 'exp_9'; expected one of cooperation, "),
        (
            ["--exp", "exp_3", "--group", "Contrl"],
            "--group 'Contrl': no such group; expected one of Control, Treatment.",
        ),
        (["--exp", "exp_9", "--group", "Control"], "Unknown experiment 'exp_9'"),
        (["--exp", "exp_3", "--mode", "fst"], "Experiment exp_3 has no mode 'fst'; expected one of"),
        (["--exp", "exp_3", "--full", "--fast"], "Modes full and fast were both asked for; expected one."),
        (["--exp", "exp_3", "--engine", "tinytrope"], "Engine 'tinytrope': not installed"),
        (["--exp", "exp_3", "--model", "openai:gpt-4o-mini"], "OPENAI_API_KEY is not set"),
        (["--exp", "exp_3", "--concurrency", "0"], "--concurrency 0: expected a whole number"),
        (["--exp", "exp_3", "--temperature", "9"], "--temperature 9: expected 0 to 2."),
        (["--exp", "exp_3", "--count", "0"], "Invalid value for '--count'"),
        (["nowhere.py"], "nowhere.py"),
        (["test_small.py", "--exp", "smal"], "--exp 'smal': no such experiment; expected one of small."),
    ],
)
def test_a_mistake_is_one_error_and_exit_code_4(
    harness: Command, lab: Lab, words: list[str], expected: str
) -> None:
    said = harness("run", *words)
    assert said.code in ((2, 4) if "Invalid" in expected else (4,)), said.everything
    assert expected in said.everything
    assert "Traceback" not in said.everything
    assert not lab.artifacts


def test_a_failed_trial_is_exit_code_1(harness: Command, lab: Lab) -> None:
    lab.watched.text = "garbage"
    said = harness("run", "test_small.py", "--model", "watched")
    assert said.code == 1
    assert "2 of 2 trials did not finish" in said.out


def test_reruns_are_passed_on(harness: Command, lab: Lab) -> None:
    lab.watched.text = "garbage"
    harness("run", "test_small.py", "--model", "watched", "--reruns", "1", "--reruns-delay", "0")
    assert {line["attempt"] for line in lab.lines(kind="trial_failure")} == {1, 2}


def test_no_arguments_show_what_there_is(harness: Command) -> None:
    said = harness()
    for command in ("run", "list", "merge"):
        assert command in said.everything


def test_list_shows_groups_modes_trials_and_calls_in_80_columns(harness: Command) -> None:
    said = harness("list")
    assert said.code == 0
    for name in ("exp_1", "exp_2_1", "exp_2_2", "exp_3", "Control", "Treatment", "full", "fast", "paper"):
        assert name in said.out
    assert "trials per group" in said.out
    assert "model calls" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_list_counts_the_calls_that_a_run_makes(harness: Command, lab: Lab) -> None:
    said = harness("list", "test_small.py", "--mode", "long")
    assert said.code == 0, said.everything
    assert "6 trials per group" in said.out
    assert f"{6 * CALLS_PER_TRIAL} model calls" in said.out
    harness("run", "test_small.py", "--group", "Control", "--mode", "long", "--model", "watched")
    assert len(lab.watched.calls) == 6 * CALLS_PER_TRIAL


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--engine", "tinytrope"],
            "Engine 'tinytrope': not installed; expected one of embedded, tinytroupe.",
        ),
        (["nowhere.py"], "nowhere.py: no such file or folder; expected a test file"),
        (["--notebooks", "nowhere"], "Notebooks nowhere: no such folder"),
        (["--mode", "fst"], "has no mode 'fst'; expected one of"),
    ],
)
def test_what_list_cannot_read(harness: Command, words: list[str], expected: str) -> None:
    said = harness("list", *words)
    assert said.code == 4
    assert expected in said.err
    assert "Traceback" not in said.everything


def test_merge_makes_the_same_artifact_later(harness: Command, lab: Lab) -> None:
    harness("run", "test_small.py", "--group", "Control", "--model", "watched")
    harness("run", "test_small.py", "--group", "Treatment", "--model", "watched")
    (original,) = lab.artifacts
    files = sorted(map(str, lab.results.glob("*.jsonl")))
    said = harness("merge", *files, "--out", "merged.json")
    assert said.code == 0, said.everything
    assert (lab.path / "merged.json").read_bytes() == original.read_bytes()
    assert said.out.split() == ["merged.json", "merged.meta.json"]


def test_merge_refuses_to_mix_settings_unless_forced(harness: Command, lab: Lab) -> None:
    for seed in ("1", "2"):
        harness("run", "test_small.py", "--model", "watched", "--seed", seed)
    files = sorted(map(str, lab.results.glob("*.jsonl")))
    said = harness("merge", *files, "--out", "merged.json")
    assert said.code == 4
    assert "seed" in said.err
    assert "--force" in said.err
    assert not Path("merged.json").exists()
    assert harness("merge", *files, "--out", "merged.json", "--force").code == 0


def test_merge_of_what_is_not_there(harness: Command) -> None:
    said = harness("merge", "nothing.jsonl")
    assert said.code == 4
    assert "nothing.jsonl: no such file or folder; expected results of a run." in said.err


def test_the_command_is_installed(lab: Lab) -> None:
    done = lab.command("run", "test_small.py", "--group", "Contrl")
    assert done.returncode == 4
    assert "no such group" in done.stderr
    assert json.dumps(done.stdout).count("Traceback") == 0


@pytest.mark.parametrize(
    "words", [("run", "--bogus"), ("study", "nonsense"), ("study", "init"), ("run", "--count", "x")]
)
def test_words_that_are_no_command_are_exit_code_4(harness: Command, words: tuple[str, ...]) -> None:
    said = harness(*words)
    assert said.code == 4 and "Error: " in said.err
