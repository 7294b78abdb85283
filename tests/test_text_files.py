"""Text files of every encoding, and JSON that is read strictly."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigurationError
from harness.text_files import parse_json, read_content, read_json, read_text, recoded

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(-(2**60), 2**60), st.lists(TEXTS, max_size=3)))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("loads", [None, orjson.loads])
@given(data=VALUES)
def test_json_is_read_in_any_encoding_that_json_may_have(data: Any, encoding: str, loads: Any) -> None:
    content = json.dumps(data, ensure_ascii=False).encode(encoding)
    assert parse_json(content, "File", loads=loads) == data
    assert recoded(content) == content.decode(encoding).encode()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_read_whatever_its_encoding_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"één{end}zwei".encode(encoding))
    assert read_text(path, "File").splitlines() == ["één", "zwei"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is not JSON: line 1, column 1"),
        (b'{"a":\n 1,}', "is not JSON: line 2, column"),
        (b'{"a": NaN}', "NaN is not a valid JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a valid JSON number"),
        (b'{"a": 1, "a": 2}', "the key 'a' occurs twice in one object"),
        (b"[" * 100_000, "is nested too deep"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "is not strict JSON"),
        (b'{"a":\n\n"\xff"}', "line 3 has the byte 0xff, which is not UTF-8"),
        ('{"a": "x"}'.encode("utf-16")[:-1], "which is not UTF-16"),
        (b"\0" * 40, "is not JSON"),
    ],
)
def test_a_fault_is_named_with_its_line_in_one_sentence(content: bytes, fault: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_json(content, "Prices p.json", expected="a JSON object")
    (told,) = refused.value.problems
    assert told.startswith("Prices p.json: ")
    assert fault in told


@given(st.binary(max_size=80))
def test_whatever_the_bytes_are_they_are_data_or_one_sentence(content: bytes) -> None:
    for loads in (None, orjson.loads):
        try:
            parse_json(content, "File", loads=loads)
        except ConfigurationError as refused:
            assert str(refused).startswith("File: ")


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[1]" + b" " * 20)
    assert read_json(path, "File", 23) == [1]
    with pytest.raises(ConfigurationError, match="File: is larger than 22 bytes"):
        read_json(path, "File", 22)


def test_what_is_not_a_regular_file_is_refused_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    for name in ("pipe.json", "folder.json"):
        with pytest.raises(ConfigurationError, match="is not a regular file"):
            read_content(tmp_path / name, "File")
    with pytest.raises(ConfigurationError, match=r"cannot be read .No such file or directory"):
        read_content(tmp_path / "none.json", "File")
