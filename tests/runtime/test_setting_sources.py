"""Where settings come from: command line, environment and file, which wins, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest

from harness.errors import ConfigurationError
from harness.runtime.setting_sources import (
    command_line,
    environment,
    override,
    resolve,
    script,
    settings_file,
)
from harness.runtime.settings import RunOptions, Settings, setting_fields

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def pyproject(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text)
    return folder


def resolved(folder: Path, given: dict[str, Any] | None = None, **environ: str) -> Settings:
    return resolve(command_line(given or {}), folder, environ=environ)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    pyproject(tmp_path, '[tool.harness]\nmodel = "openai:file"\nrpm = 3\nseed = 4\ntemperature = 1\n')
    found = resolved(
        tmp_path, {"model": "openai:typed"}, HARNESS_MODEL="openai:env", HARNESS_RPM="7", OTHER="x"
    )
    assert (found.model, found.rpm, found.seed, found.temperature) == ("openai:typed", 7, 4, 1.0)
    assert found.engine == Settings().engine
    assert found.given() == {
        "model": "command line", "rpm": "environment", "seed": "pyproject.toml", "temperature": "pyproject.toml",
    }  # fmt: skip


def test_a_value_that_is_the_default_wins_too_but_is_not_listed(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.harness]\nseed = 4\n")
    found = resolved(tmp_path, {"seed": 0})
    assert (found.seed, found.given()) == (0, {})


@pytest.mark.parametrize(
    ("toml", "field", "value"),
    [
        ("concurrency = 'unlimited'", "concurrency", None),
        ("concurrency = 3", "concurrency", 3),
        ("max_cost = 2", "max_cost", 2.0),
        ("rpm = 'none'", "rpm", None),
        ("function_timeout = inf", "function_timeout", float("inf")),
        ("strict-checks = true", "strict_checks", True),
        ("strict_instrument = true", "strict_checks", True),
        ("model_base_url = 'http://h/v1'", "base_url", "http://h/v1"),
        ("base-url = 'http://h/v1'", "base_url", "http://h/v1"),
        ("model_option = ['top_p=0.9', 'effort=low']", "model_options", {"top_p": 0.9, "effort": "low"}),
        ("model_options = {top_p = 0.9}", "model_options", {"top_p": 0.9}),
    ],
)
def test_the_file_takes_typed_values_under_the_names_of_options(
    tmp_path: Path, toml: str, field: str, value: object
) -> None:
    pyproject(tmp_path, f"[tool.harness]\n{toml}\n")
    assert getattr(resolved(tmp_path), field) == value


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("HARNESS_SEED", " 5 ", "seed", 5),
        ("HARNESS_TIMEOUT", "2.5", "call_timeout", 2.5),
        ("HARNESS_CALL_TIMEOUT", "2.5", "call_timeout", 2.5),
        ("HARNESS_CONCURRENCY", "unlimited", "concurrency", None),
        ("HARNESS_STRICT_CHECKS", "off", "strict_checks", False),
        ("HARNESS_STRICT_CHECKS", "Yes", "strict_checks", True),
        ("HARNESS_FRESH", "1", "fresh", True),
        ("HARNESS_MODEL", "", "model", "rehearsal"),
        ("HARNESS_MODEL_OPTION", "top_p=0.9\nstop=null", "model_options", {"top_p": 0.9, "stop": None}),
        ("HARNESS_MODEL_OPTION", '{"top_p": 0.9}', "model_options", {"top_p": 0.9}),
        ("HARNESS_EXTROPY_PYTHON", "/usr/bin/python", "model", "rehearsal"),
        ("HARNESS_ACCOUNT_ID", "of another program", "model", "rehearsal"),
        ("HARNESS_NODE", "of another program", "mode", None),
    ],
)
def test_variables_are_read_as_texts(
    tmp_path: Path, variable: str, text: str, field: str, value: object
) -> None:
    assert getattr(resolved(tmp_path, **{variable: text}), field) == value


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("modell = 'x'", "pyproject.toml: [tool.harness] modell: unknown key. Did you mean 'model'?"),
        ("zzz = 1", "[tool.harness] zzz: unknown key. docs/settings.md lists all keys."),
        ("seed = 1.5", "[tool.harness] seed = 1.5: expected a whole number."),
        ("seed = true", "[tool.harness] seed = true: expected a whole number."),
        (
            "rpm = 0",
            "[tool.harness] rpm = 0: expected a whole number from 1, or PROVIDER=N, such as openai=500.",
        ),
        ("temperature = 9.0", "[tool.harness] temperature = 9: expected 0 to 2."),
        ("max_cost = nan", "[tool.harness] max_cost = nan: expected more than 0."),
        ("timeout = inf", "[tool.harness] timeout = inf: expected more than 0 seconds."),
        ("model = 3", "[tool.harness] model = 3: expected a text."),
        ("results_dir = 3", "[tool.harness] results_dir = 3: expected a path."),
        ("strict_checks = 'maybe'", "[tool.harness] strict_checks = 'maybe': expected true or false."),
        ("response_format = 'xml'", "expected one of auto, schema, object, prompt."),
        (
            "fresh = true",
            "fresh: is for a single session; expected it as --fresh or in the variable HARNESS_FRESH.",
        ),
        ("judge_model = 'a'\njudge-model = 'b'", "judge-model: is given twice"),
        ("model_option = 'top_p'", "model_option 'top_p': expected NAME=VALUE"),
        ("model_option = 3", "[tool.harness] model_option=3; expected a mapping"),
        ("model_option = {api_key = 'x'}", "keys come from the environment alone"),
    ],
)
def test_a_mistake_in_the_file_names_file_key_value_and_expectation(
    tmp_path: Path, toml: str, expected: str
) -> None:
    pyproject(tmp_path, f"[tool.harness]\n{toml}\n")
    with pytest.raises(ConfigurationError) as raised:
        resolved(tmp_path)
    assert expected in str(raised.value)
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tool.harness\n", "pyproject.toml: is not valid TOML: "),
        ("[tool]\nharness = 3\n", "tool.harness = 3; expected a table, [tool.harness]."),
        ("tool = 3\n", "is not valid TOML"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error(tmp_path: Path, text: str, expected: str) -> None:
    pyproject(tmp_path, text)
    with pytest.raises(ConfigurationError) as raised:
        settings_file(tmp_path)
    assert expected in str(raised.value)


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.harness]\nmodell = 1\nrmp = 2\n")
    with pytest.raises(ConfigurationError) as raised:
        resolved(tmp_path, {"workers": "0"}, HARNESS_MODELL="x")
    said = str(raised.value)
    for part in (
        "--workers 0: expected 1",
        "HARNESS_MODELL: unknown variable. Did you mean HARNESS_MODEL?",
        "modell: unknown key",
        "rmp",
    ):
        assert part in said
    with pytest.raises(ConfigurationError, match="HARNESS_SEED='y': expected a whole number"):
        override(Settings(), environment({"HARNESS_SEED": "y"}))


def test_the_nearest_table_counts_and_its_paths_are_of_its_folder(tmp_path: Path) -> None:
    pyproject(tmp_path, '[tool.harness]\nresults_dir = "far"\nprices = "/p.json"\n')
    inner = pyproject(tmp_path / "a" / "b", "[project]\nname = 'x'\n")
    found = resolved(inner)
    assert (found.results_dir, found.prices) == (tmp_path / "far", Path("/p.json"))
    pyproject(tmp_path / "a", '[tool.harness]\nresults_dir = "near"\n')
    assert resolved(inner).results_dir == tmp_path / "a" / "near"
    assert resolved(inner).prices is None


def test_request_fields_of_several_places_are_combined(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.harness.model_option]\ntop_p = 0.9\nmax_tokens = 5\n")
    found = resolved(tmp_path, {"model_options": ["top_p=0.1"]})
    assert found.model_options == {"top_p": 0.1, "max_tokens": 5}


def test_output_limits_of_several_places_are_combined_kind_by_kind(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.harness.model_option]\nmax_tokens.act = 500\nmax_tokens.extract = 900\n")
    found = resolved(tmp_path, {"model_options": ["max_tokens.act=300", "max_tokens.score_person=null"]})
    assert found.model_options == {"max_tokens": {"act": 300, "extract": 900, "score_person": None}}
    found = resolved(tmp_path, {"model_options": ["max_tokens=300"]})
    assert found.model_options == {"max_tokens": 300}
    with pytest.raises(ConfigurationError, match=r"'max_tokens.act' is given twice"):
        resolved(tmp_path, {"model_options": ["max_tokens.act=300", "max_tokens.act=4"]})


def test_keyword_arguments_are_typed_and_none_leaves_out_what_cannot_be_unset(tmp_path: Path) -> None:
    given = {
        "concurrency": None,
        "timeout": None,
        "max_cost": None,
        "out": "x.json",
        "strict_instrument": True,
    }
    source = script(given, tmp_path)
    found = override(Settings(max_cost=3.0), source)
    assert (found.concurrency, found.call_timeout, found.max_cost) == (None, 120.0, None)
    assert (found.out, found.strict_checks) == (tmp_path / "x.json", True)
    with pytest.raises(TypeError, match=r"argument 'modell'.* Did you mean 'model'"):
        script({"modell": "x"}, tmp_path)
    with pytest.raises(ConfigurationError, match="seed='x': expected a whole number"):
        override(Settings(), script({"seed": "x"}, tmp_path))


def test_the_types_for_editors_are_those_of_the_settings() -> None:
    typed, fields = get_type_hints(RunOptions), get_type_hints(Settings)
    aliases = {one.former: name for name, one in setting_fields().items() if one.former}
    sessions_alone = {"estimate", "seconds_per_call"}
    assert typed.keys() - aliases.keys() == setting_fields().keys() - sessions_alone
    for name, hint in typed.items():
        declared = fields[aliases.get(name, name)]
        kinds = {*(get_args(declared) if NoneType in get_args(declared) else (declared,))}
        allowed = {*(get_args(hint) if NoneType in get_args(hint) or str in get_args(hint) else (hint,))}
        assert kinds <= allowed, name


def test_the_page_lists_every_setting_as_it_is() -> None:
    page = DOCS.read_text()
    for one in setting_fields().values():
        name = f"`{one.name}`" + "¹" * one.once
        value = f"`{one.metavar}`" if one.metavar else "switch"
        default = one.default_text or ("off" if one.kind is bool else "none")
        assert f"| {name} | {value} | {default} | {one.help} |" in page
    assert page.count("\n| `") == len(setting_fields())
