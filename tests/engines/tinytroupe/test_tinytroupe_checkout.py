"""What is missing is named, all at once, with the way out; June's settings are read, not retyped."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engines.tinytroupe import TinyTroupeEngine, check, checkout
from harness.errors import ConfigurationError

SETTINGS = """
[OpenAI]
MODEL=some-model
TEMPERATURE=1.2
MAX_COMPLETION_TOKENS=16000
WAITING_TIME=3
[ActionGenerator]
QUALITY_THRESHOLD = 5
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    publication = tmp_path / checkout.PUBLICATION
    publication.mkdir(parents=True)
    (publication / "config.ini").write_text(SETTINGS)
    (tmp_path / "tinytroupe").mkdir()
    (tmp_path / "tinytroupe/__init__.py").write_text("")
    return tmp_path


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as found:
        check(path)
    return found.value.problems


@pytest.fixture
def _all_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "_importable", lambda name: True)


@pytest.mark.usefixtures("_all_packages")
def test_a_whole_checkout_passes(clone: Path) -> None:
    check(clone)


@pytest.mark.usefixtures("_all_packages")
def test_a_missing_directory_is_named() -> None:
    assert problems(Path("/nowhere/at all")) == (
        "TinyTroupe checkout /nowhere/at all: no such directory; "
        "set TINYTROUPE_REPO_DIR to a clone of microsoft/TinyTroupe.",
    )


@pytest.mark.usefixtures("_all_packages")
def test_every_missing_part_is_named(tmp_path: Path) -> None:
    first, second = problems(tmp_path)
    assert "tinytroupe/__init__.py is missing" in first
    assert "config.ini is missing" in second


def test_missing_python_packages_come_with_the_pip_line(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "_PACKAGES", ("json", "no_such_package", "no_such.package"))
    assert problems(clone) == (
        "The tinytroupe engine needs Python packages that are not installed: no_such_package, no_such.package; "
        "run: pip install 'persona-harness[tinytroupe]'",
    )


def test_the_engine_checks_when_it_is_made() -> None:
    with pytest.raises(ConfigurationError, match="no such directory"):
        TinyTroupeEngine(Path("/nowhere"))


def test_settings_are_june_s_but_for_what_has_to_change(clone: Path) -> None:
    found = checkout.settings(clone, model="gpt-x", temperature=None)
    assert found["OpenAI"]["TEMPERATURE"] == "1.2"
    assert found["OpenAI"]["MAX_COMPLETION_TOKENS"] == "16000"
    assert found["ActionGenerator"]["QUALITY_THRESHOLD"] == "5"
    assert found["OpenAI"]["MODEL"] == "gpt-x"
    assert found["OpenAI"]["WAITING_TIME"] == "0"
    assert found["OpenAI"]["CACHE_API_CALLS"] == "False"
    assert found["Logging"]["LOGLEVEL_FILE"] == "NONE"


def test_a_temperature_overrides_june_s(clone: Path) -> None:
    assert checkout.settings(clone, model="m", temperature=0.0)["OpenAI"]["TEMPERATURE"] == "0.0"


def test_settings_that_cannot_be_read_are_named(clone: Path) -> None:
    (clone / checkout.PUBLICATION / "config.ini").write_text("no section")
    with pytest.raises(ConfigurationError, match=r"config\.ini: cannot be read as settings"):
        checkout.settings(clone, model="m", temperature=None)
