"""F42, from a session: with --judge-model another model scores the outcome than the treatment was optimised against.

Quality checks, by which correction improves what is said, stay with the player; every score comes from the judge.
"""

from __future__ import annotations

from collections import Counter

import pytest

from harness.gateway import providers
from tests.support.sessions import SMALL, Lab, Watched

CORRECTED = SMALL.replace('Group("Treatment")', 'Group("Treatment", Correction(quality_threshold=6))')
SCORING = "You judge a claim about a recorded conversation"
CHECKING = "You check whether what a simulated person"


def asked(watched: Watched) -> Counter[str]:
    """How often a model was asked to score an outcome, and to check a turn."""
    found: Counter[str] = Counter()
    for request in watched.requests:
        text = str(request.messages[0]["content"])
        found["score"] += text.startswith(SCORING)
        found["check"] += text.startswith(CHECKING)
    return found


def judges(lab: Lab) -> dict[str, str]:
    """What the instrument's check says of it, and how loud."""
    return {
        one["about"]: one["level"] for one in lab.meta()["instrument"]["checks"] if one["name"] == "judge"
    }


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(name="judge", model="judge-1")
    monkeypatch.setitem(providers._factories, "judge", watched.factory)
    return watched


def test_correction_and_outcome_have_models_of_their_own(lab: Lab, judge: Watched) -> None:
    lab.write(CORRECTED)
    result = lab.run("--judge-model=judge")
    result.stdout.fnmatch_lines(["Replies by role: player watched:watched-1 (*); judge judge:judge-1*"])
    assert asked(judge)["score"] == 8 and not asked(judge)["check"]
    assert asked(lab.watched)["check"] >= 4 and not asked(lab.watched)["score"]
    assert "WARN" not in judges(lab).values()


def test_one_model_for_both_is_said(lab: Lab) -> None:
    lab.write(CORRECTED)
    lab.run()
    (first,) = lab.lines("Treatment", "run_metadata")
    assert first["judge_model"] is None and first["judge_is_player"] is True
    assert asked(lab.watched)["score"] == 8 and asked(lab.watched)["check"] >= 4
    assert "WARN" in judges(lab).values()
