"""Limits per minute as users write them, from every place where settings are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigurationError
from harness.gateway.rates import least_rate, read_rate
from harness.plugin.limits import make_limits
from harness.runtime.setting_sources import command_line, environment, override, script, settings_file
from harness.runtime.settings import Settings

BOTH = {"all": 1000, "openai": 500}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (500, 500),
        ("500", 500),
        ("openai=500,1000", BOTH),
        ("openai=500 all=1000", BOTH),
        (["1000", "openai=500"], BOTH),
        ({"openai": 500, "all": 1000}, BOTH),
        ({"all": 7}, 7),
        ("openai=500", {"openai": 500}),
    ],
)
def test_a_limit_is_a_number_or_one_by_provider(written: Any, read: Any) -> None:
    assert read_rate(written) == read


@pytest.mark.parametrize(
    "written", ["", "0", "x", "openai=", "openai=0", "=5", "5,6", "openai=1.5", 1.5, True, [], {}]
)
def test_what_is_no_limit_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        read_rate(written)


def test_the_smaller_limit_holds() -> None:
    assert [least_rate(one, "openai") for one in (None, 9, {"openai": 5}, {"all": 3, "openai": 5}, {"x": 1})] == [
        None, 9, 5, 3, None,
    ]  # fmt: skip


def test_every_place_of_settings_takes_them(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.harness]\nrpm = {openai = 500, all = 1000}\ntpm = 9\n")
    sources = (
        settings_file(tmp_path),
        environment({"HARNESS_RPM": "openai=500 1000", "HARNESS_TPM": "9"}),
        script({"rpm": {"openai": 500, "all": 1000}, "tpm": 9}, tmp_path),
        command_line({"rpm": ["openai=500", "1000"], "tpm": ["9"]}),
    )
    for source in sources:
        settings = override(Settings(), source)
        assert (settings.rpm, settings.tpm) == (BOTH, 9), source.name
    with pytest.raises(ConfigurationError, match=r"--rpm .*expected a whole number from 1, or PROVIDER=N"):
        override(Settings(), command_line({"rpm": ["many"]}))


def test_a_limit_of_an_unknown_provider_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"'opnai'.*did you mean 'openai'"):
        make_limits(Settings(rpm={"opnai": 5}))
    limits = make_limits(Settings(rpm={"all": 9, "openai": 5}, tpm={"openai": 70}))
    assert (limits.rpm, limits.of("openai").rpm, limits.of("openai").tpm, limits.of("azure").rpm) == (
        9,
        5,
        70,
        None,
    )
