"""F37: a run is never resumed under other settings without a word, by name or unasked."""

from __future__ import annotations

import pytest

from tests.support.sessions import Lab


def test_a_named_run_is_refused_under_other_settings_and_nothing_is_sent(lab: Lab) -> None:
    lab.run("--seed=1", "-k", "Control")
    run_id = lab.lines(kind="run_metadata")[0]["run_id"]
    lab.watched.forget()
    result = lab.run("--seed=2", f"--resume={run_id}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: Run {run_id} *other settings:", "  seed: 1 then, 2 now"])
    assert lab.watched.calls == []


def test_an_open_run_of_other_settings_is_not_continued_unasked(lab: Lab) -> None:
    lab.run("--seed=1", "-k", "Control")
    lab.run("--seed=2")
    seeds = {line["run_id"]: line["seed"] for line in lab.lines(kind="run_metadata")}
    assert sorted(seeds.values()) == [1, 2]
    lab.run("--seed=1").assert_outcomes(passed=2)
    assert {line["run_id"]: line["seed"] for line in lab.lines(kind="run_metadata")} == seeds
