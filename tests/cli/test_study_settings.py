"""A batch's manifest has the settings that identify its runs; its sessions take these from there alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.study_session import identifying, settings_of
from harness.errors import ConfigurationError
from harness.runtime.setting_sources import command_line, resolve
from harness.runtime.settings import Settings


def test_what_was_given_anywhere_and_identifies_runs_is_in_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.harness]\ntemperature = 0.5\nmax_cost = 3\nnotebooks = "words"\n'
    )
    given = command_line({"model": "rehearsal", "rpm": "9", "model_options": ["top_p=0.9"]})
    settings = resolve(given, tmp_path, environ={"HARNESS_MODE": "fast", "HARNESS_TPM": "7"})
    options = identifying(settings, count=2)
    assert options == {
        "model": "rehearsal", "rpm": 9, "model_options": {"top_p": 0.9}, "temperature": 0.5, "mode": "fast",
        "notebooks": str(tmp_path / "words"), "count": 2,
    }  # fmt: skip
    json.dumps(options)
    again = settings_of(options, settings)
    assert (again.mode, again.temperature, again.tpm, again.max_cost) == ("fast", 0.5, 7, 3.0)
    assert again.given()["temperature"] == "manifest"
    assert again.given()["tpm"] == "environment"


def test_a_batch_s_sessions_ignore_identifying_settings_from_elsewhere(tmp_path: Path) -> None:
    later = resolve(command_line({}), tmp_path, environ={"HARNESS_MODEL": "openai:m", "HARNESS_SEED": "5"})
    found = settings_of({"mode": "fast"}, later)
    assert (found.model, found.seed, found.mode) == ("rehearsal", 0, "fast")


def test_a_manifest_s_value_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="manifest: temperature = 9: expected 0 to 2"):
        settings_of({"temperature": 9}, Settings())
