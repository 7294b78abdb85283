"""F46: one run never mixes replies to two versions of a prompt, nor values by two versions of a metric."""

from __future__ import annotations

import pytest

from tests.plugin.test_code_changes import MEASURED, OWN, SCALE, runs, values
from tests.support.sessions import Lab


def test_an_edited_prompt_begins_another_run_and_its_change_is_shown(lab: Lab) -> None:
    lab.write(OWN)
    lab.run("-k", "Control")
    lab.write(OWN.replace("Say a word.", "Say as many words as you like."))
    lab.run().stdout.fnmatch_lines(
        [
            "small: starting a new run. The open run * differs in:",
            "  code.play: * then, * now",
            "    changed: PROMPT",
            "    -PROMPT = 'Say a word.'",
            "    +PROMPT = 'Say as many words as you like.'",
        ]
    )
    assert len(runs(lab)) == 2
    by_run: dict[str, set[str]] = {}
    for line in lab.lines(kind="trial_result"):
        by_run.setdefault(line["run_id"], set()).add(str(line["samples"][0]["value"]))
    assert sorted(map(len, by_run.values())) == [1, 1], "each run has one version"


def test_an_open_run_is_not_resumed_by_name_with_another_prompt(lab: Lab) -> None:
    lab.write(OWN)
    lab.run("-k", "Control")
    (run_id,) = runs(lab)
    lab.watched.forget()
    lab.write(OWN.replace("Say a word.", "Say as many words as you like."))
    result = lab.run(f"--resume={run_id}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*other settings:", "  code.play: * then, * now"])
    assert lab.watched.calls == []


def test_an_edited_metric_never_leaves_two_versions_in_one_result(lab: Lab) -> None:
    lab.write(MEASURED, scale=SCALE)
    lab.run("-k", "Control")
    lab.write(MEASURED.replace("return LEAST", "return -1000 * LEAST"), scale=SCALE)
    lab.run()
    found = [value for some in values(lab).values() for value in some]
    assert len(found) == 4
    assert max(found) < -900
