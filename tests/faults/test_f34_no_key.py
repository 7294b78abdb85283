"""F34: without a key nothing is completed: one error, another exit code than 0, and no result that looks like one."""

from __future__ import annotations

import pytest

from tests.support.sessions import SMALL, Lab


@pytest.mark.parametrize("key", [None, "", "  "])
def test_without_a_key_nothing_is_run(lab: Lab, monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    result = lab.run(model="openai:gpt-4o-mini")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = dict.fromkeys(line for line in result.errlines if line.startswith("ERROR"))
    assert "OPENAI_API_KEY is not set; expected a key for https://api.openai.com/v1." in line
    assert "'rehearsal'" in line
    everything = result.stdout.str() + result.stderr.str()
    assert "passed" not in everything
    assert "finished" not in everything
    assert not list(lab.path.rglob("*.jsonl"))
    assert lab.artifacts == []


def test_the_command_line_says_the_same(lab: Lab) -> None:
    lab.write(SMALL)
    done = lab.command("run", "test_small.py", "--model", "openai:gpt-4o-mini")
    assert done.returncode == 4
    assert "OPENAI_API_KEY is not set" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert lab.artifacts == []


def test_a_model_that_never_answers_completes_nothing(lab: Lab) -> None:
    lab.watched.text = ""
    result = lab.run()
    result.assert_outcomes(failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert lab.artifact()["finished_experiments"] == []
    assert lab.artifact()["experiments"] == {"Control": {}, "Treatment": {}}
