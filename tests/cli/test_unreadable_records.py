"""Commands over records that cannot be read in part: file and line on standard error, and exit code 1."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.records import SMALL, finished, metadata, trials, write_file
from tests.support.sessions import Lab
from tests.support.terminal import Command, command

COMMANDS = [
    ("check", "results"),
    ("analyse", "results"),
    ("analyse", "results", "--json"),
    ("analyse", "results", "--format", "md"),
    ("consistency", "results", "--with", "results"),
    ("report", "results", "--out", "r.html"),
    ("report", "results", "--out", "r.md"),
    ("query", 'select "group", count(*) from scores group by all order by all'),
    ("db", "build"),
    ("bundle", "--out", "b.zip"),
    ("plan", "check", "results"),
    ("merge",),
]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command(monkeypatch, capsys)


def filed(folder: Path) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    return {
        group: write_file(
            folder / f"exp_3_{group}_run1_20251120T174100.jsonl",
            metadata(group),
            [finished(trial, SMALL) for trial in trials(SMALL, groups=[group])],
        )
        for group in SMALL.groups
    }


def words_for(words: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    return (*words, *map(str, folder.glob("*.jsonl"))) if words == ("merge",) else words


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_names_file_and_line_and_fails(
    harness: Command, results: Path, words: tuple[str, ...]
) -> None:
    path = filed(results)["Treatment"]
    sound = harness(*words_for(words, results))
    assert (sound.code, sound.err) == (0, "")
    path.write_bytes(path.read_bytes().replace(b"proposal1", b"proposal\xff", 1))
    said = harness(*words_for(words, results))
    assert said.code == 1
    assert f"{path.name}, line " in said.err
    assert "the byte 0xff, which is not UTF-8" in said.err
    assert "INCOMPLETE: the results above are without what could not be read" in said.err


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_arm_in_utf16_counts_like_any_other(
    harness: Command, results: Path, words: tuple[str, ...]
) -> None:
    path = filed(results)["Treatment"]
    plain = harness(*words_for(words, results))
    path.write_bytes(path.read_bytes().decode().encode("utf-16"))
    said = harness(*words_for(words, results))
    assert (said.code, said.err) == (0, "")
    if words[0] in ("check", "analyse", "query"):
        assert said.out == plain.out


@pytest.mark.parametrize("words", [("check", "results"), ("analyse", "results"), ("query", "select 1")])
def test_a_pipe_among_the_records_is_refused_and_nothing_waits(
    harness: Command, results: Path, words: tuple[str, ...]
) -> None:
    filed(results)
    os.mkfifo(results / "odd.jsonl")
    said = harness(*words)
    assert said.code == 4
    assert "odd.jsonl: not a regular file" in said.err


def test_an_analysis_begins_with_what_is_missing(harness: Command, results: Path) -> None:
    filed(results)["Treatment"].write_bytes(b"\xff\xff\n" * 30)
    said = harness("analyse", "results")
    assert "INCOMPLETE: 1 line or file of records could not be read" in " ".join(said.out.split())
    assert said.err.count("WARNING: ") == 21  # twenty by name, then their number
    assert "WARNING: 10 more lines or files could not be read." in said.err
    assert said.code == 1


def test_a_session_that_goes_on_names_what_it_cannot_read(lab: Lab) -> None:
    lab.write()
    lab.run("--max-calls=13", "--concurrency=1")
    path = next(path for path in lab.results.glob("*.jsonl") if path.read_bytes().count(b"\n") > 1)
    path.write_bytes(path.read_bytes() + b"\x00\xff broken\n")
    result = lab.run()
    result.stdout.fnmatch_lines(["*records that could not be read*", f"*{path.name}, line *"])
    assert result.ret == 0, "every trial was finished, so nothing is missing"
