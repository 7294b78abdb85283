"""Reading damaged files: what can be read is kept, and what cannot is named."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.records import files_of_run, finished_trials, outcomes, read, stream
from harness.records.reader import Problem
from tests.support.records import SMALL, failed, finished, metadata, trials, write_file

TRIALS = list(trials(SMALL))
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def some_file(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.unlink(missing_ok=True)
    return write_file(path, metadata(), [finished(trial, SMALL) for trial in TRIALS[:5]])


def test_a_file_is_read_in_order(tmp_path: Path) -> None:
    file = read(some_file(tmp_path))
    assert file.problems == ()
    assert [r["trial"] for r in file.sections[0].records] == [t.id for t in TRIALS[:5]]
    assert file.sections[0].named("run_id") == "r1"


def test_lines_of_the_users_own_are_no_problem(tmp_path: Path) -> None:
    path = write_file(
        tmp_path / "a.jsonl", metadata(), [{"type": "note", "text": "mine"}, finished(TRIALS[0], SMALL)]
    )
    file = read(path)
    assert file.problems == ()
    assert [record["trial"] for record in file.sections[0].records] == [TRIALS[0].id]


def test_texts_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.jsonl", metadata(), [finished(TRIALS[0], SMALL, transcript=["long"])])
    assert "transcript" not in read(path).sections[0].records[0]
    assert read(path, bulky=True).sections[0].records[0]["transcript"] == ["long"]


def test_a_torn_last_line_is_skipped_and_reported(tmp_path: Path) -> None:
    path = some_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    file = read(path)
    assert len(file.sections[0].records) == 4
    (problem,) = file.problems
    assert problem.torn
    assert f"{path}, line 6: the last line is torn" in str(problem)


def test_a_last_line_without_its_newline_is_whole(tmp_path: Path) -> None:
    path = some_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    assert len(read(path).sections[0].records) == 5
    assert read(path).problems == ()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"{broken", "Expecting property name"),
        (b"[1]", "expected a JSON object, found list"),
        (b"\xff\xfe", "column 1 has the byte 0xff, which is not UTF-8"),
        (b"\x00\x00\x00", "Expecting value"),
        (b"[" * 100_000, "recursion"),
        (b'{"n": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b'{"type": "trial_result"}', "a record of type 'trial_result' lacks a usable 'trial': None"),
    ],
)
def test_a_corrupt_line_is_named_and_the_rest_is_read(tmp_path: Path, line: bytes, text: str) -> None:
    path = some_file(tmp_path)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*whole[:3], line, b"\n", *whole[3:]]))
    file = read(path)
    (problem,) = file.problems
    assert (problem.line, problem.torn) == (4, False)
    assert text in str(problem)
    assert len(file.sections[0].records) == 5


def test_a_status_that_is_not_one(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.jsonl", metadata(), [finished(TRIALS[0], SMALL) | {"status": "fine"}])
    assert "status 'fine'; expected 'finished' or 'failed'" in str(read(path).problems[0])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"Could not read .*gone\.jsonl"):
        read(tmp_path / "gone.jsonl")


@quick
@given(share=st.floats(0, 1))
def test_any_truncation_loses_at_most_the_last_line(tmp_path: Path, share: float) -> None:
    path = some_file(tmp_path)
    whole = path.read_bytes()
    cut = whole[: int(len(whole) * share)]
    path.write_bytes(cut)
    problems: list[Problem] = []
    found = list(stream(path, problems))
    expected = [json.loads(line) for line in whole.splitlines()]
    assert found == expected[: len(found)]
    assert len(found) >= cut.count(b"\n")
    assert all(problem.torn for problem in problems)
    assert len(found) + len(problems) == len(cut.splitlines())


@quick
@given(garbage=st.binary(max_size=60), after=st.integers(0, 5))
def test_any_garbage_between_lines_is_named_and_the_rest_survives(
    tmp_path: Path, garbage: bytes, after: int
) -> None:
    path = some_file(tmp_path)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*whole[: after + 1], garbage, b"\n", *whole[after + 1 :]]))
    file = read(path)
    assert len(file.sections[0].records) == 5
    bad = [line for line in garbage.split(b"\n") if line.strip() and not is_object(line)]
    assert len(file.problems) >= len(bad)
    assert not any(problem.torn for problem in file.problems)
    assert all(
        after + 2 <= problem.line <= after + 2 + len(garbage.splitlines()) for problem in file.problems
    )


def is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def test_the_first_to_finish_is_accepted_whatever_the_order() -> None:
    trial = TRIALS[0]
    records: list[dict[str, Any]] = [
        failed(trial, second=1),
        finished(trial, SMALL, second=2),
        finished(trial, SMALL, lambda *_: 9, second=3),
        failed(trial, second=4),
    ]
    for seed in range(10):
        random.Random(seed).shuffle(records)
        outcome = outcomes(records)[trial.id]
        assert outcome.accepted is not None
        assert outcome.accepted["ended"].startswith("2025-11-20T17:41:02")
        assert (outcome.attempts, len(outcome.failures), len(outcome.duplicates)) == (4, 2, 1)


def test_the_trials_of_a_run_that_need_not_run_again(tmp_path: Path) -> None:
    one = write_file(tmp_path / "a.jsonl", metadata(), [finished(TRIALS[0], SMALL), failed(TRIALS[1])])
    write_file(tmp_path / "b.jsonl", metadata(run_id="other"), [finished(TRIALS[2], SMALL)])
    (tmp_path / "empty.jsonl").touch()
    assert files_of_run(tmp_path, "exp_3", "r1") == (one,)
    assert finished_trials([one]) == {TRIALS[0].id}


def test_files_put_together_by_hand_keep_their_runs(tmp_path: Path) -> None:
    one = write_file(tmp_path / "a.jsonl", metadata(), [finished(TRIALS[0], SMALL)])
    two = write_file(tmp_path / "b.jsonl", metadata(run_id="r2"), [finished(TRIALS[1], SMALL)])
    both = tmp_path / "both.jsonl"
    both.write_bytes(one.read_bytes() + two.read_bytes())
    assert [section.named("run_id") for section in read(both).sections] == ["r1", "r2"]
