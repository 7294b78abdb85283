"""Record files that an editor, a spreadsheet or a failing disk changed: read as what they are, else named."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import harness.stats
from harness.checks import examine
from harness.errors import HarnessError
from harness.model import Check, Level
from harness.records import datasets, files_of_run, merge, read, record_files, runs_in_files, stream
from harness.records import reader as reading
from harness.records.read_problems import Problems, collected
from tests.support.records import SMALL, finished, metadata, trials, write_file

Damage = Callable[[bytes], bytes]


def run_files(folder: Path) -> dict[str, Path]:
    """A complete run of two arms, a file each, by arm."""
    return {
        group: write_file(
            folder / f"exp_3_{group}_run1_20251120T174100.jsonl",
            metadata(group),
            [finished(trial, SMALL) for trial in trials(SMALL, groups=[group])],
        )
        for group in SMALL.groups
    }


def change(path: Path, damage: Damage) -> None:
    path.write_bytes(damage(path.read_bytes()))


def line(number: int, damage: Damage) -> Damage:
    """``damage`` done to a line, counted from 1."""

    def whole(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        lines[number - 1] = damage(lines[number - 1])
        return b"".join(lines)

    return whole


HARMLESS: dict[str, Damage] = {
    "a byte-order mark": lambda content: b"\xef\xbb\xbf" + content,
    "UTF-16 with a mark": lambda content: content.decode().encode("utf-16"),
    "UTF-16 LE": lambda content: content.decode().encode("utf-16-le"),
    "UTF-16 BE": lambda content: content.decode().encode("utf-16-be"),
    "UTF-32": lambda content: content.decode().encode("utf-32"),
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "CR": lambda content: content.replace(b"\n", b"\r"),
    "CR in one place": line(2, lambda raw: raw.replace(b"\n", b"\r")),
    "UTF-16 and CRLF": lambda content: content.decode().replace("\n", "\r\n").encode("utf-16"),
    "empty lines": lambda content: content.replace(b"\n", b"\n \n"),
    "no newline at the end": lambda content: content[:-1],
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_a_harmless_variant_is_read_as_what_it_is(tmp_path: Path, kind: str) -> None:
    path = run_files(tmp_path)["Treatment"]
    before = read(path)
    change(path, HARMLESS[kind])
    after = read(path)
    assert after.problems == ()
    assert after.sections == before.sections
    assert files_of_run(tmp_path, "exp_3", "r1") == tuple(sorted(tmp_path.glob("*.jsonl")))
    assert record_files([tmp_path]) == sorted(tmp_path.glob("*.jsonl"))


LOST: dict[str, tuple[Damage, int]] = {
    "a bad byte in a record": (line(3, lambda raw: raw.replace(b'"trial"', b'"tr\xffal"')), 3),
    "zeros for a record": (line(3, lambda raw: b"\0" * (len(raw) - 1) + b"\n"), 3),
    "half a record": (line(3, lambda raw: raw[: len(raw) // 2] + b"\n"), 3),
    "nested without end": (line(3, lambda _: b"[" * 100_000 + b"\n"), 3),
    "a bad byte in the metadata": (line(1, lambda raw: raw.replace(b'"type"', b'"ty\xffpe"')), 1),
    "no metadata": (lambda content: content.partition(b"\n")[2], 1),
    "half a surrogate in UTF-16": (
        lambda content: content.decode().replace("Ada", "\ud800", 1).encode("utf-16", "surrogatepass"),
        1,
    ),
    "a torn last line": (lambda content: content[:-40], 9),
    "an empty file": (lambda _: b"", 0),
    "no text at all": (lambda _: bytes(range(256)) * 4, 1),
    "another encoding": (lambda content: content.decode().encode("utf-16")[2:].replace(b"{", b"\x80"), 1),
}


@pytest.mark.parametrize("kind", LOST)
def test_what_cannot_be_read_is_named_and_the_results_say_so(tmp_path: Path, kind: str) -> None:
    damage, number = LOST[kind]
    path = run_files(tmp_path)["Treatment"]
    change(path, damage)
    with collected() as problems:
        (run,) = runs_in_files(record_files([tmp_path]))
    assert problems.lost
    first = next(iter(problems))
    assert (first.path, first.line) == (path, number)
    assert run.unread
    (data,) = datasets(record_files([tmp_path]))
    assert data.unread[0].startswith("INCOMPLETE: ")
    assert any(path.name in told for told in data.unread)
    checks = [one for one in examine(run) if one.name == "records"]
    assert checks[0].level is (Level.WARN if kind == "a torn last line" else Level.FAIL) or first.torn
    assert path.name in checks[0].message


@pytest.mark.parametrize("kind", LOST)
def test_no_check_says_that_arms_are_alike_when_one_of_them_is_not_known(tmp_path: Path, kind: str) -> None:
    change(run_files(tmp_path)["Treatment"], LOST[kind][0])
    (run,) = runs_in_files(record_files([tmp_path]))
    known = {str(entry["group"]) for entry in run.metadata}
    settings = the(examine(run), "settings")
    if "Treatment" in known:
        assert (settings.level, settings.message) == (Level.PASS, "the same in all arms")
    else:
        assert settings.level is Level.FAIL
        assert "unknown for Treatment" in settings.message


def the(checks: list[Check], name: str) -> Check:
    return next(one for one in checks if one.name == name)


def test_an_arm_that_cannot_be_read_is_not_said_to_be_unfinished(tmp_path: Path) -> None:
    change(run_files(tmp_path)["Treatment"], lambda _: b"\x00\xff" * 200)
    (data,) = datasets(record_files([tmp_path]))
    reasons = {one.reason for one in data.observations if one.group == "Treatment"}
    assert reasons == {"no record of the trial could be read"}
    (run,) = runs_in_files(record_files([tmp_path]))
    told = [one.message for one in examine(run) if (one.name, one.about) == ("records", "Treatment")]
    assert told == ["could not read any record of this arm, though it may have run"]


def test_the_meta_file_of_a_merge_says_what_is_missing(tmp_path: Path) -> None:
    path = run_files(tmp_path)["Treatment"]
    change(path, LOST["a bad byte in a record"][0])
    (artifact,) = merge(record_files([tmp_path]), stats=harness.stats)
    meta = json.loads(artifact.with_suffix(".meta.json").read_bytes())
    assert meta["partial"]
    assert f"{path.name}: line 3: column" in "\n".join(meta["warnings"])


def test_a_line_that_loses_nothing_is_named_and_no_result_is_called_incomplete(tmp_path: Path) -> None:
    path = run_files(tmp_path)["Treatment"]
    change(path, lambda content: content + b"{broken\n")
    (tmp_path / "exp_3_Control_run1_20251120T180000.jsonl").touch()
    with collected() as problems:
        (run,) = runs_in_files(record_files([tmp_path]))
    assert [(one.path.name, one.line) for one in problems] == [
        ("exp_3_Control_run1_20251120T180000.jsonl", 0),
        (path.name, 10),
    ]
    assert not problems.lost
    assert run.unread == ()


def test_an_unreadable_file_of_another_name_counts_as_lost(tmp_path: Path) -> None:
    run_files(tmp_path)
    (tmp_path / "copy.jsonl").write_bytes(b"\xff\xfe\xff garbage")
    with collected() as problems:
        runs_in_files(record_files([tmp_path]))
    assert problems.lost


def test_zeros_before_a_line_are_named_and_the_line_is_kept(tmp_path: Path) -> None:
    path = run_files(tmp_path)["Control"]
    change(path, lambda content: b"\0" * 512 + content)
    file = read(path)
    assert [str(one) for one in file.problems] == [
        f"{path}, line 1: 512 zero bytes, where records may have stood."
    ]
    assert len(file.sections[0].records) == 8


def test_a_number_that_json_lacks_is_named_and_counts_as_missing(tmp_path: Path) -> None:
    path = run_files(tmp_path)["Treatment"]
    change(path, line(2, lambda raw: re.sub(rb'"value": \d+', b'"value": NaN', raw, count=1)))
    (problem,) = read(path).problems
    assert "NaN, which is not a valid JSON number, counts as missing" in str(problem)
    (data,) = datasets(record_files([tmp_path]))
    assert sum(one.value is None for one in data.observations) == 1


def test_a_repeated_key_of_the_metadata_is_named(tmp_path: Path) -> None:
    path = run_files(tmp_path)["Control"]
    change(path, line(1, lambda raw: raw.replace(b'"rep": 1', b'"rep": 1, "rep": 2', 1)))
    (problem,) = read(path).problems
    assert (problem.line, problem.text) == (1, "the key 'rep' occurs twice; the last one counts")


def test_a_line_that_is_too_long_is_named_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run_files(tmp_path)["Control"]
    longest = max(map(len, path.read_bytes().splitlines(keepends=True)))
    monkeypatch.setattr(reading, "MAX_LINE", longest)
    change(path, line(3, lambda raw: raw[:-1] + b" " * 5 * longest + b"\n"))
    file = read(path)
    assert [(one.line, one.text) for one in file.problems] == [(3, f"longer than {longest:,} bytes")]
    assert len(file.sections[0].records) == 7


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_not_a_regular_file_is_refused_by_its_name(tmp_path: Path, kind: str) -> None:
    run_files(tmp_path)
    odd = tmp_path / "odd.jsonl"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.mkdir()
    with pytest.raises(HarnessError, match=r"Could not read .*odd\.jsonl: not a regular file"):
        runs_in_files(record_files([tmp_path]))


def test_the_inner_of_two_blocks_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{broken\n")
    with collected() as outer:
        with collected() as inner:
            list(stream(path, lost=True))
        assert (len(list(inner)), inner.lost) == (1, True)
    assert not list(outer)
    assert not Problems().lost
