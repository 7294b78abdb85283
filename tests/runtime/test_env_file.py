"""Variables from a file that is named, and from no other."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigurationError
from harness.runtime.env_file import read_env_file
from harness.runtime.setting_sources import command_line, resolve


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("KEY=abc", {"KEY": "abc"}),
        ("export KEY=abc  # mine", {"KEY": "abc"}),
        ("  KEY = a=b&c ", {"KEY": "a=b&c"}),
        ('KEY="a b # c\\n\\"d\\""', {"KEY": 'a b # c\n"d"'}),
        ("KEY='a $HOME \\n'", {"KEY": "a $HOME \\n"}),
        ("KEY=$HOME", {"KEY": "$HOME"}),
        ("KEY=", {"KEY": ""}),
        ("# KEY=abc", {}),
        ("", {}),
    ],
)
def test_a_line_is_a_variable(tmp_path: Path, line: str, expected: Mapping[str, str]) -> None:
    (tmp_path / ".env").write_text(line)
    assert read_env_file(tmp_path / ".env") == expected


def test_every_bad_line_is_named_by_its_number_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('GOOD=1\nsk-secret-0123456789\n1X=2\nKEY="sk-secret-0123456789\n')
    with pytest.raises(ConfigurationError) as caught:
        read_env_file(tmp_path / ".env")
    assert [problem.partition(":")[0][-6:] for problem in caught.value.problems] == [
        "line 2",
        "line 3",
        "line 4",
    ]
    assert "secret" not in str(caught.value)


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("env") / ".env"
    path.write_bytes(text.encode())
    with contextlib.suppress(ConfigurationError):
        assert all(isinstance(value, str) for value in read_env_file(path).values())


def test_the_named_file_fills_in_what_the_environment_lacks(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("OPENAI_API_KEY=from-file\nHARNESS_MODEL=openai:m\nHARNESS_SEED=4\n")
    environ = {"HARNESS_SEED": "7"}
    settings = resolve(command_line({"env_file": "keys"}, tmp_path), tmp_path, environ=environ)
    assert (settings.model, settings.seed) == ("openai:m", 7)
    assert environ["OPENAI_API_KEY"] == "from-file"
    environ = {"HARNESS_ENV_FILE": str(tmp_path / "keys")}
    assert resolve(command_line({}), tmp_path, environ=environ).seed == 4


def test_no_file_is_read_that_is_not_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HARNESS_SEED=4\n")
    environ: dict[str, str] = {}
    assert resolve(command_line({}), tmp_path, environ=environ).seed == 0
    assert environ == {}


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        resolve(command_line({"env_file": "missing"}, tmp_path), tmp_path, environ={})
