"""F28: a reply that cannot be read becomes a recorded failure with its reason, never a default answer."""

from __future__ import annotations

import json

import pytest

from harness.errors import ExitCode
from tests.support.sessions import Lab

TRIALS = 4


@pytest.mark.parametrize(
    "text",
    [
        "seven",
        '{"reasoning": "r", "justification": "j"}',
        '{"reasoning": "r", "justification": "j", "value": null}',
        '{"reasoning": "r", "justification": "j", "value": "5"}',
        '{"reasoning": "r", "justification": "j", "value": 50}',
        '{"reasoning": "r", "justification": "j", "value": NaN}',
        '{"reasoning": "r", "justification": "j", "value": 5',
        "{}",
        "",
    ],
)
def test_no_reply_that_cannot_be_read_becomes_a_number(lab: Lab, text: str) -> None:
    async def spoil(trial: str, number: int) -> None:
        asked = lab.watched.requests[-1].response_format or {}
        is_score = "value" in json.dumps(asked)
        lab.watched.text = text if is_score else None  # the conversation is well, the judgement is not

    lab.watched.before = spoil
    result = lab.run("--concurrency=1")
    assert result.ret == ExitCode.FAILED
    failures = lab.lines(kind="trial_failure")
    assert len({line["trial"] for line in failures}) == TRIALS and lab.lines(kind="trial_result") == []
    for line in failures:
        assert "no acceptable reply in 4 attempts" in line["reason"]
        assert repr(text[:200]) in line["reason"]
    meta, artifact = lab.meta(), lab.artifact()
    for group in artifact["experiments"].values():
        assert [
            value for values in group.get("results", {}).values() for value in values if value is not None
        ] == []
    assert artifact["finished_experiments"] == [] and meta["partial"] is True
    assert len(meta["failures"]) == TRIALS
