"""A user's mistakes: one error that names thing, value, expectation and way out; no traceback; nothing lost."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.records import writer
from tests.support.endpoint import FakeEndpoint, Fault
from tests.support.sessions import SMALL, Lab, environment

TWIN = SMALL.replace('name="small"', 'name="twin"')


def fixture(name: str, value: str) -> str:
    return f"{SMALL}\n@pytest.fixture\ndef {name}(): return {value}\n"


def everything(result: pytest.RunResult) -> str:
    return f"{result.stdout.str()}\n{result.stderr.str()}"


BEFORE_THE_FIRST_TRIAL: dict[str, tuple[list[str], str, str]] = {
    "experiment": (
        [],
        SMALL.replace("experiment(small)", "experiment('exp_9')"),
        "Unknown experiment 'exp_9'; expected one of cooperation, ",
    ),
    "marker": (
        [],
        SMALL.replace("experiment(small)", "experiment(3)"),
        "@pytest.mark.experiment(3): expected an Experiment or the name of a registered one.",
    ),
    "mode": (["--mode=fst"], SMALL, "Experiment small has no mode 'fst'; expected one of full, long."),
    "engine": (
        ["--engine=tinytrope"],
        SMALL,
        "Engine 'tinytrope': not installed; expected one of embedded, tinytroupe. Did you mean 'tinytroupe'?",
    ),
    "provider": (["--model=opnai:x"], SMALL, "Model 'opnai:x': unknown provider 'opnai'; known: "),
    "model": (["--model=openai"], SMALL, "no model named; expected for example openai:gpt-4o-mini."),
    "latency": (["--model=rehearsal:soon"], SMALL, "expected a time per call such as rehearsal:50ms"),
    "key": (
        ["--model=openai:gpt-4o-mini"],
        SMALL,
        "Model 'openai:gpt-4o-mini': the environment variable OPENAI_API_KEY is not set; expected a key",
    ),
    "no concurrency": (
        ["--concurrency=0"],
        SMALL,
        "--concurrency 0: expected a whole number from 1, or 'unlimited'.",
    ),
    "odd concurrency": (["--concurrency=abc"], SMALL, "--concurrency 'abc': expected a whole number from 1"),
    "temperature": (["--temperature=9"], SMALL, "--temperature 9: expected 0 to 2."),
    "workers": (["--workers=0"], SMALL, "--workers 0: expected 1 or more."),
    "checkout": (
        ["--engine=tinytroupe"],
        SMALL,
        "Engine 'tinytroupe': TINYTROUPE_REPO_DIR is not set; expected the path of a checkout",
    ),
    "notebooks": (["--notebooks=nowhere"], SMALL, "nowhere: no such folder; expected one with"),
    "correction": (
        [],
        fixture("correction", "Correction(quality_threshold=12)"),
        "Group 'Control' of small: quality_threshold=12; expected 0 to 9.",
    ),
    "attempts": (
        [],
        fixture("correction", "Correction(max_attempts=0)"),
        "Group 'Treatment' of small: max_attempts=0; expected 1 to 20.",
    ),
    "effect": ([], fixture("interventions", "(Intervention('mute', ' '),)"), "intervention 'mute' has an empty"),
    "population": ([], fixture("population", "'nobody'"), "Population 'nobody': not found among the packaged"),
    "nobody": ([], fixture("population", "()"), "no personas; expected at least one"),
    "results": (["--results-dir=taken"], SMALL, "taken: File exists; a file is in the way of the directory"),
    "no place": (["--results-dir=/proc/none"], SMALL, "Could not create the directory /proc/none"),
    "both": (["--resume=x", "--fresh"], SMALL, "resume and fresh contradict each other"),
    "out": (["--out=x.json"], TWIN, "--out takes one experiment; this session has small, twin. Select one with -k."),
}  # fmt: skip


@pytest.mark.parametrize("name", BEFORE_THE_FIRST_TRIAL)
def test_what_cannot_be_had_is_said_before_the_first_trial(lab: Lab, name: str) -> None:
    options, source, expected = BEFORE_THE_FIRST_TRIAL[name]
    Path("taken").write_text("not a directory")
    lab.write(SMALL, test_other=source) if source is TWIN else lab.write(source)
    result = lab.run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert expected in result.stderr.str()
    assert "Traceback" not in everything(result)
    assert "INTERNALERROR" not in everything(result)
    assert lab.watched.calls == []
    assert not list(Path.cwd().rglob("*.jsonl"))
    assert Path("taken").read_text() == "not a directory"


def test_everything_wrong_is_said_at_once(lab: Lab) -> None:
    result = lab.run("--concurrency=0", "--temperature=9", "--workers=-1")
    for option in ("--concurrency 0", "--temperature 9", "--workers -1"):
        assert option in result.stderr.str()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda path: None,
            "no such folder; expected a checkout of microsoft/TinyTroupe. Unset the variable",
        ),
        (lambda path: path.mkdir(), "expected a checkout with the paper's notebooks."),
    ],
)
def test_a_checkout_that_is_none(lab: Lab, monkeypatch: pytest.MonkeyPatch, make: Any, expected: str) -> None:
    folder = lab.path / "TinyTroupe"
    make(folder)
    monkeypatch.setenv("TINYTROUPE_REPO_DIR", str(folder))
    result = lab.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"TINYTROUPE_REPO_DIR={folder}" in result.stderr.str()
    assert expected in result.stderr.str()


def test_every_damaged_persona_of_a_folder_is_named(lab: Lab) -> None:
    people = lab.path / "people"
    people.mkdir()
    people.joinpath("a.agent.json").write_text("{not json")
    people.joinpath("b.agent.json").write_text(json.dumps({"type": "TinyPerson", "persona": {"age": 3}}))
    lab.write(fixture("population", "'./people'"))
    result = lab.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "a.agent.json" in result.stderr.str()
    assert "b.agent.json" in result.stderr.str()
    assert "Traceback" not in everything(result)


def test_a_declaration_at_fault_is_shown_by_its_place_and_message(lab: Lab) -> None:
    lab.write(SMALL.replace('Group("Control")', 'Group("Control", correction=Correction(12))'))
    result = lab.run()
    assert result.ret != 0
    result.stdout.fnmatch_lines(
        ["test_small.py:4: Group 'Control' of small: quality_threshold=12; expected 0 to 9."]
    )
    assert "design.py" not in everything(result)


def test_a_model_that_answers_garbage_fails_trial_by_trial_and_on_record(lab: Lab) -> None:
    lab.watched.text = "I would rather not {"
    result = lab.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=2)
    failures = lab.lines(kind="trial_failure")
    assert len(failures) == 4
    for failure in failures:
        assert "no acceptable reply in 4 attempts" in failure["reason"]
        assert "I would rather not {" in failure["reason"]
    result.stdout.fnmatch_lines(["*2 of 2 trials did not finish.*"])
    assert "Traceback" not in everything(result)
    assert lab.artifact()["finished_experiments"] == []
    assert lab.artifact()["experiments"] == {"Control": {}, "Treatment": {}}


def test_a_refused_key_stops_the_run_at_its_first_occurrence(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secretsecretsecret")
    refused = Fault(401, "Incorrect API key provided: sk-secretsecretsecret")
    with FakeEndpoint(fault=lambda number: refused) as endpoint:
        result = lab.run(
            "--mode=long", "--concurrency=1", f"--model-base-url={endpoint.url}", model="openai:m"
        )
        assert len(endpoint.requests) <= 2  # the two people of the first trial ask at once
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "Incorrect API key provided" in everything(result)
    assert "secretsecret" not in everything(result) + "".join(map(str, lab.lines()))
    assert "Traceback" not in everything(result)
    assert lab.artifacts == [] or lab.artifact()["finished_experiments"] == []


def full_after(bytes_left: int) -> Any:
    """The module `os` on a disk with so much room for writing."""

    class FullDisk:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def write(self, file: int, data: bytes) -> int:
            nonlocal bytes_left
            if len(data) > bytes_left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            bytes_left -= len(data)
            return os.write(file, data)

    return FullDisk()


def test_a_disk_that_fills_up_stops_the_run_and_keeps_what_is_written(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.run("--concurrency=1", "--results-dir=roomy")
    sizes = sorted(path.stat().st_size for path in Path("roomy").glob("*.jsonl"))
    lab.watched.forget()
    with monkeypatch.context() as patch:
        patch.setattr(writer, "os", full_after(sum(sizes) - 100))
        result = lab.run("--concurrency=1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "the disk is full: free some space. Or choose another folder with --results-dir" in everything(
        result
    )
    assert "Traceback" not in everything(result)
    kept = lab.lines(kind="trial_result")
    assert 1 <= len(kept) < 4
    lab.watched.forget()
    lab.run().assert_outcomes(passed=2)
    assert set(lab.watched.calls).isdisjoint(line["trial"] for line in kept)
    assert lab.meta()["partial"] is False


def test_an_artifact_that_cannot_be_copied_fails_the_session_but_is_there(lab: Lab) -> None:
    result = lab.run("--out=/proc/none/x.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["NOT WRITTEN: copy of the artifact: Could not create the directory /proc/none: *"]
    )
    assert lab.artifact()["finished_all_experiments"] is True


def test_a_folder_without_write_permission(lab: Lab) -> None:
    if os.geteuid() == 0:
        pytest.skip("permissions do not bind root")
    lab.results.mkdir(mode=0o500)
    result = lab.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no permission to write there" in result.stderr.str() or "may write to" in result.stderr.str()


def test_no_key_of_the_machine_reaches_these_tests() -> None:
    assert "OPENAI_API_KEY" not in environment()
