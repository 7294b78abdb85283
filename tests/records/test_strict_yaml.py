"""YAML by hand: what is written can be read, and whatever else comes is read with bounds or refused in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigurationError
from harness.records import strict_yaml
from harness.records.strict_yaml import MAX_BYTES, MAX_DEPTH, parsed_yaml, read_yaml, yaml_text

PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
DATA = st.recursive(PLAIN, lambda part: st.lists(part) | st.dictionaries(st.text(), part), max_leaves=20)
MARKS = st.text(st.sampled_from("[]{}:,-?&*!|>%#'\"<=~ \t\n0123456789.eE_axb"), max_size=60)


@given(st.dictionaries(st.text(), DATA))
def test_what_is_written_can_be_read(data: dict[str, Any]) -> None:
    assert parsed_yaml(yaml_text(data).encode(), "File") == data


@given(st.binary(max_size=60) | MARKS.map(str.encode))
def test_whatever_comes_is_data_or_one_sentence(content: bytes) -> None:
    try:
        parsed_yaml(content, "File")
    except ConfigurationError as error:
        (told,) = error.problems
        assert told.startswith("File: ") and len(told) < 300


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: [", "is not YAML as read here: line 2: "),
        ("a: " + "[" * 5000, f"line 1: is nested more than {MAX_DEPTH} deep; expected a flatter file"),
        ("a: " + "{a: " * 5000, f"nested more than {MAX_DEPTH} deep"),
        ("- " * 5000, f"nested more than {MAX_DEPTH} deep"),
        ("? " * 5000, f"nested more than {MAX_DEPTH} deep"),
        ("a: &x [1]\nb: *x", "line 2: has an alias (*name); write it out"),
        ("%TAG !a! tag:x,1:\n---\na: 1", "line 1 begins with %; expected no directives"),
        ("a: 1\nb: 2\na: 3", "line 3: 'a' occurs twice"),
        ("yes: 1\ntrue: 3", "line 2: True occurs twice"),
        ("[1, 2]: 3", "a list or named parts as a name; expected a word"),
        ("a: 1" + ":0" * 500, "a number of more than 400 digits"),
        ("a: 1" + ":0" * 500 + ".5", "a number of more than 400 digits"),
        ("a: " + "9" * 5000, "a number of more than 400 digits"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: 1\n---\nb: 2", "is not YAML as read here: line 2"),
    ],
)
def test_what_is_wild_is_refused(content: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parsed_yaml(content.encode(), "File")
    assert told in str(refused.value)


@pytest.mark.parametrize("opened", ["[", "{a: ", "- ", "? "])
def test_the_parser_goes_no_deeper_than_is_allowed(opened: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would do for each part grows with the depth: 300 kB of brackets took it over a minute."""
    steps = 0
    parse = strict_yaml.yaml.parse

    def counted(*arguments: Any) -> Iterator[Any]:
        nonlocal steps
        for event in parse(*arguments):
            steps += 1
            yield event

    monkeypatch.setattr(strict_yaml.yaml, "parse", counted)
    with pytest.raises(ConfigurationError, match="nested"):
        parsed_yaml(opened.encode() * 300_000, "File")
    assert steps <= 2 * MAX_DEPTH + 3  # the start of the stream and of the document; a name for each value


def test_as_deep_as_is_allowed() -> None:
    data = parsed_yaml(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "File")
    for _ in range(MAX_DEPTH - 1):
        (data,) = data
    assert data == []


def test_a_date_is_text() -> None:
    assert parsed_yaml(b"a: 2026-11-20\nb: 2026-11-20 10:00:00", "File") == {
        "a": "2026-11-20",
        "b": "2026-11-20 10:00:00",
    }


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(ConfigurationError, match="File: is larger than 4,000,000 bytes"):
        read_yaml(path, "File")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"File: cannot be read .No such file.*Check path"):
        read_yaml(tmp_path / "none.yaml", "File")
