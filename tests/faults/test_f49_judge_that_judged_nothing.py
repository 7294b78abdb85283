"""F49: "judged by X" stands where X judged nothing."""

from __future__ import annotations

import pytest

from harness.gateway import providers
from tests.support.sessions import Lab, Watched

MEASURED = """
import pytest
from harness import Experiment, Group, Measure, Mode, Persona, Script

small = Experiment(
    name="small",
    groups=(Group("Control"), Group("Treatment", instructions="Be concise.")),
    script=Script("Agree a price for {thing}.", proposals=({"thing": "a bike"},)),
    metrics=(Measure("remarks", lambda transcript: sum(event.type == "TALK" for event in transcript)),),
    population=(Persona("Ada", {"occupation": "trader"}), Persona("Bo", {"occupation": "teacher"})),
    modes={"full": Mode(reps=1, steps=1)},
)


@pytest.mark.experiment(small)
def test_small(cell):
    cell.run()
"""
JUDGE = "judge-1"


def summary(result: pytest.RunResult) -> str:
    return " ".join(result.stdout.str().split())


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(name="judge", model=JUDGE)
    monkeypatch.setitem(providers._factories, "judge", watched.factory)
    return watched


def test_a_judge_that_nothing_asked_is_not_named_as_the_judge(lab: Lab, judge: Watched) -> None:
    lab.write(MEASURED)
    result = lab.run("--judge-model=judge")
    assert result.ret == 0
    assert judge.calls == []
    assert JUDGE not in summary(result)
    report = lab.command("report", "--out", "report.md")
    assert report.returncode == 0, report.stderr
    assert JUDGE not in (lab.path / "report.md").read_text()
    assert JUDGE not in lab.command("analyse").stdout
    assert "judged by" not in summary(lab.run("--judge-model=judge", "--estimate"))


def test_one_that_was_asked_is(lab: Lab, judge: Watched) -> None:
    lab.write()
    assert f"judge judge:{JUDGE} (8)" in summary(lab.run("--judge-model=judge"))
    assert "judged by judge" in summary(lab.run("--judge-model=judge", "--estimate"))
