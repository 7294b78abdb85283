"""`[tool.harness]` and HARNESS_* variables in sessions of pytest, `harness run` and `harness.run`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness
from tests.support.sessions import LIGHT, Lab
from tests.test_api import small


def configure(lab: Lab, *lines: str) -> None:
    (lab.path / "pyproject.toml").write_text("\n".join(["[tool.harness]", *lines, ""]))


def sources(lab: Lab) -> object:
    (found,) = {json.dumps(line["setting_sources"]) for line in lab.lines(kind="run_metadata")}
    return json.loads(found)


def test_a_session_reads_file_and_environment_and_its_record_says_where_each_setting_came_from(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(lab, 'model = "watched"', "seed = 7", "rpm = 900", 'results_dir = "kept"')
    monkeypatch.setenv("HARNESS_MODE", "long")
    lab.results = lab.path / "kept"
    result = lab.bare("-m", "experiment", "--harness-seed=5", "-k", "Control")
    result.assert_outcomes(passed=3)
    assert lab.watched.calls
    assert sources(lab) == {
        "mode": "environment",
        "model": "pyproject.toml",
        "results_dir": "pyproject.toml",
        "rpm": "pyproject.toml",
        "seed": "command line",
    }
    assert lab.lines(kind="run_metadata")[0]["seed"] == 5
    assert lab.meta()["groups"]["Control"]["setting_sources"]["model"] == "pyproject.toml"


def test_a_session_of_defaults_records_no_source(lab: Lab) -> None:
    assert lab.bare("-m", "experiment", "-k", "Control").ret == 0
    assert sources(lab) == {}


def test_a_mistake_in_the_file_stops_experiments_and_nothing_else(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(lab, "modell = 3", "fresh = true", "rpm = 0")
    monkeypatch.setenv("HARNESS_SEEED", "1")
    lab.pytester.makepyfile(test_theirs="def test_theirs(): pass")
    lab.bare().assert_outcomes(passed=1, deselected=1)
    assert lab.bare("--collect-only", "-q").ret == 0
    result = lab.bare("-m", "experiment")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    for said in ("modell: unknown key", "fresh: is for a single session", "HARNESS_SEEED: unknown variable"):
        assert said in result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert not lab.watched.calls


def test_a_value_out_of_range_is_refused_with_the_file_that_has_it(lab: Lab) -> None:
    configure(lab, "temperature = 9")
    result = lab.bare("-m", "experiment")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {lab.path}/pyproject.toml: *temperature = 9: expected 0 to 2."])


def test_xdist_workers_and_their_session_read_the_same_file(lab: Lab) -> None:
    pytest.importorskip("xdist")
    configure(lab, "seed = 7", 'mode = "long"')
    result = lab.pytester.runpytest_subprocess(*LIGHT, "-m", "experiment", "-n2", "-k", "Control")
    result.assert_outcomes(passed=3)
    assert {line["seed"] for line in lab.lines(kind="run_metadata")} == {7}
    assert sources(lab) == {"mode": "pyproject.toml", "seed": "pyproject.toml"}


def test_harness_run_reads_the_file_of_the_current_folder(lab: Lab) -> None:
    configure(lab, 'mode = "long"', "seed = 7")
    done = lab.command("run", "test_small.py", "--seed", "0", "-k", "Control", HARNESS_CONCURRENCY="4")
    assert done.returncode == 0, done.stderr
    assert sources(lab) == {"concurrency": "environment", "mode": "pyproject.toml"}
    refused = lab.command("run", "test_small.py", HARNESS_CONCURRENCY="many")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert refused.stderr.startswith("ERROR: HARNESS_CONCURRENCY='many': expected a whole number from 1")


def test_options_after_two_dashes_win_over_those_before(lab: Lab) -> None:
    done = lab.command("run", "test_small.py", "--seed=1", "-k", "Control", "--", "--harness-seed=2")
    assert done.returncode == 0, done.stderr
    assert {line["seed"] for line in lab.lines(kind="run_metadata")} == {2}


def test_a_call_from_a_script_wins_over_the_file(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
    configure(lab, 'model = "openai:never"', "seed = 7", "max_cost = 1")
    harness.run(small(), model="watched", max_cost=None, quiet=True)
    assert sources(lab) == {"model": "harness.run", "seed": "pyproject.toml"}


def test_a_report_without_its_extra_is_refused_before_the_session(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.extras.missing", lambda extra: ("jinja2",) if extra == "report" else ())
    for option in ("--report", "--report=x.html"):
        result = lab.run(option)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["ERROR: The report *.html needs jinja2. Install it with: pip install *report*"]
        )
    assert not lab.watched.calls
    assert not Path("results").exists()


def test_the_former_name_of_an_option_still_works(lab: Lab) -> None:
    assert lab.run("--strict-instrument", "-k", "Control").ret == 0
    assert sources(lab) == {"model": "command line", "strict_checks": "command line"}
