"""``--judge-model`` from the command line to the record."""

from __future__ import annotations

import json
import sys

import pytest

from harness.cli import main
from harness.gateway import providers
from tests.support.sessions import LIGHT, Lab, Watched


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """The model ``judge``, which no session uses unless told to."""
    watched = Watched(name="judge", model="judge-1")
    monkeypatch.setitem(providers._factories, "judge", watched.factory)
    return watched


def test_the_judge_scores_and_the_record_says_who_did_what(lab: Lab, judge: Watched) -> None:
    lab.run("--judge-model=judge").assert_outcomes(passed=2)
    assert {request.model for request in judge.requests} == {"judge-1"}
    assert len(judge.calls) == len(lab.watched.calls) == 2 * 2 * 2
    (first, *_) = lab.lines("Control", "run_metadata")
    assert (first["judge_provider"], first["judge_model"]) == ("judge", "judge-1")
    assert first["judge_is_player"] is False
    assert first["settings"]["judge_model"] == "judge-1"
    models = [one["model"] for one in lab.lines("Control", "trial_result")[0]["usage"]["models"]]
    assert models == ["rehearsal-1"]  # both answer through the offline model, which says so
    assert not lab.meta()["rehearsal"]


def test_another_judge_is_another_run_and_the_player_s_own_name_is_none(lab: Lab, judge: Watched) -> None:
    lab.run()
    lab.run("--judge-model=judge", "--fresh")
    lab.run("--judge-model=watched", "--fresh")
    first, second, third = (json.loads(p.with_suffix(".meta.json").read_bytes()) for p in lab.artifacts)
    marks = [one["groups"]["Control"]["fingerprint"] for one in (first, second, third)]
    assert marks[0] == marks[2] != marks[1]
    assert [one["groups"]["Control"]["judge_model"] for one in (first, second, third)] == [
        None,
        "judge-1",
        None,
    ]


def test_scores_from_a_rehearsed_judge_are_no_evidence(lab: Lab) -> None:
    lab.run("--judge-model=rehearsal").assert_outcomes(passed=2)
    assert lab.meta()["rehearsal"] and not lab.meta()["evidence"]


def test_what_was_scored_is_not_paid_for_again_on_resuming(lab: Lab, judge: Watched) -> None:
    from harness.errors import ModelCallError

    lab.watched.error = None
    judge.error = ModelCallError("down", fatal=True)
    assert lab.run("--judge-model=judge", "--concurrency=1").ret != 0
    played = len(lab.watched.calls)
    judge.error = None
    lab.run("--judge-model=judge", "--concurrency=1").assert_outcomes(passed=2)
    assert played and len(lab.watched.calls) == 8, "what was played is in the journal"


def test_an_unknown_judge_is_refused_before_anything_is_paid(lab: Lab) -> None:
    result = lab.run("--judge-model=nobody:x")
    assert result.ret == 4 and not lab.watched.calls
    result.stderr.fnmatch_lines(["*Model 'nobody:x': unknown provider 'nobody'*"])


@pytest.mark.parametrize(
    ("player", "judged_by", "dollars"),
    [
        ("openai:cheap", "openai:dear", True),
        ("openai:cheap", "rehearsal", True),
        ("openai:cheap", "openai:x", False),
    ],
)
def test_an_estimate_prices_both(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    player: str,
    judged_by: str,
    dollars: bool,
) -> None:
    own = {"cheap": {"input": 1, "output": 0}, "dear": {"input": 1000, "output": 0}}
    (lab.path / "own.json").write_text(json.dumps(own))
    words = ["estimate", "test_small.py", "--json", "--prices=own.json", f"--model={player}"]
    found = {}
    for judge_model in (None, judged_by):
        monkeypatch.setattr(
            sys, "argv", ["harness", *words, *([f"--judge-model={judge_model}"] * bool(judge_model))]
        )
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
        sys.modules.pop("test_small", None)
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main()
        (found[judge_model],) = json.loads(capsys.readouterr().out)["estimates"]
    alone, apart = found[None], found[judged_by]
    assert (alone["judge_model"], apart["judge_model"]) == (None, judged_by)
    before, after = (one["total"]["rehearsed"]["dollars"] for one in (alone, apart))
    if not dollars:
        assert after is None and "openai:x" in apart["price_reason"]
    elif judged_by == "rehearsal":
        assert 0 < after < before
    else:
        assert after > 100 * before
