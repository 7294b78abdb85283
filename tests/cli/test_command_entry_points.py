"""Commands that other packages register: they run, and one that cannot be had costs no other command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.entry_points import COMMANDS, claims
from tests.support.distributions import install
from tests.support.terminal import Command, command

GREETING = '''
"""A package with a command, a group of commands, and one of harness study."""
import typer

group = typer.Typer(help="Weather of the past.")


@group.command()
def warmest(year: int):
    """Print the warmest day."""
    print(f"warmest day of {year}")


@group.command()
def coldest():
    """Print the coldest day."""


def greet(name: str, loud: bool = False):
    """Greet somebody."""
    print(f"Hello, {name.upper() if loud else name}")


def archive(study: str):
    """Archive a study."""
    print(f"archived {study}")
'''
POINTS = {"greet": "greeting:greet", "weather": "greeting:group", "study.archive": "greeting:archive"}


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command(monkeypatch, capsys)


@pytest.fixture
def greeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "greeting", {"harness.commands": POINTS}, GREETING)


@pytest.mark.usefixtures("greeting")
@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ("greet Ada --loud", "Hello, ADA\n"),
        ("weather warmest 1911", "warmest day of 1911\n"),
        ("study archive town", "archived town\n"),
    ],
)
def test_a_registered_command_runs(harness: Command, words: str, printed: str) -> None:
    assert harness(*words.split()) == (0, printed, "")


@pytest.mark.usefixtures("greeting")
def test_registered_commands_are_listed_with_the_first_line_of_their_help(harness: Command) -> None:
    listed = harness("--help").out
    assert "Greet somebody." in listed and "Weather of the past." in listed and "Archive" not in listed
    assert "Archive a study." in harness("study", "--help").out


@pytest.mark.usefixtures("greeting")
def test_a_registered_command_is_imported_only_when_it_is_needed(harness: Command) -> None:
    assert harness("list").code == 0
    assert "greeting" not in sys.modules


def test_a_broken_command_names_its_package_and_breaks_no_other(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        tmp_path, monkeypatch, "broken", {"harness.commands": {"broken": "broken:run"}}, "import not_there"
    )
    assert harness("list").code == 0
    listed = harness("--help")
    assert listed.code == 0 and "broken" in listed.out and "Traceback" not in listed.err
    refused = harness("broken", "--any", "option")
    assert refused.code == 4
    assert "Entry point broken = broken:run of broken 1.0 raised" in refused.err
    assert "ModuleNotFoundError: No module named 'not_there'" in refused.err


def test_what_is_no_command_is_refused_by_name(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "plain", {"harness.commands": {"plain": "plain:VALUE"}}, "VALUE = 3")
    refused = harness("plain")
    assert refused.code == 4 and "plain 1.0: gave a int; expected a function or a typer.Typer" in refused.err


def test_a_name_that_two_packages_register_is_refused_with_both_names(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("red", "blue"):
        install(
            tmp_path,
            monkeypatch,
            name,
            {"harness.commands": {"colour": f"{name}:run"}},
            f"def run(): print({name!r})",
        )
    refused = harness("colour")
    assert refused.code == 4
    assert "'colour' is registered by blue 1.0 and by red 1.0" in refused.err
    assert harness("list").code == 0


def test_a_command_of_this_package_wins_over_a_registered_one_of_its_name(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        tmp_path,
        monkeypatch,
        "thief",
        {"harness.commands": {"list": "thief:run"}},
        "def run(): print('thief')",
    )
    with pytest.warns(RuntimeWarning, match=r"thief 1\.0 also registers the command 'list'; it is left out"):
        said = harness("list")
    assert said.code == 0 and "exp_3" in said.out and "thief" not in said.out


def test_a_package_that_is_installed_meanwhile_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "site-packages" / "greeting"
    place.mkdir(parents=True)
    os.utime(place, ns=(1, 1))  # an older time than any clock tick of this test
    monkeypatch.syspath_prepend(place)
    assert "greet" not in claims(COMMANDS)
    (place / "greeting-1.0.dist-info").mkdir()
    (place / "greeting-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n"
    )
    points = place / "greeting-1.0.dist-info" / "entry_points.txt"
    points.write_text(f"[{COMMANDS}]\ngreet = greeting:greet\n")
    assert "greet" in claims(COMMANDS)
