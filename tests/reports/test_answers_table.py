"""Answers of surveys as a table, long and wide, whatever items and attributes are called."""

from __future__ import annotations

import pytest

from tests.support.sessions import Lab

pandas = pytest.importorskip("pandas")

SURVEY = """
import pytest
from harness import Allocation, Experiment, Group, Likert, Matrix, Persona, Survey, YesNo

odd = Experiment(
    name="odd",
    population=(Persona("Ada", {"age": 31, "region": "N"}), Persona("Bo", {"age": 61, "region": "S"})),
    groups=(Group("z"), Group("a")),
    survey=Survey(
        items=[
            Likert("age", "How old do you feel?", labels=("young", "old")),
            YesNo("group", "Are you in a group?"),
            Allocation("budget", "Divide it.", options=("roads", "schools")),
            Matrix("inst", "How far?", rows=("police",), opt_out=("no answer",)),
            YesNo("last", "Really?", when="age >= 3 or group == 'no'"),
        ],
        ask="separately",
        probabilities=True,
    ),
)


@pytest.mark.experiment(odd)
def test_odd(cell):
    cell.run()
"""


def test_answers_long_and_wide_have_a_column_for_everything_by_a_name_that_is_free(lab: Lab) -> None:
    import harness

    lab.write(SURVEY)
    lab.run(model="rehearsal").assert_outcomes(passed=2)
    frames = harness.load(lab.results)
    long, wide = frames.answers, frames.answers_wide
    assert list(dict.fromkeys(long["group"])) == ["z", "a"], "in the order of the design"
    assert list(long[long.trial == long.trial[0]]["item"]) == [
        "age",
        "group",
        "budget",
        "budget",
        "inst",
        "last",
    ]
    budget = long[long["item"] == "budget"]
    assert list(budget["part"].astype(str).unique()) == ["roads", "schools"]
    assert (budget.groupby("trial", observed=True)["value"].sum() == 100).all()
    assert list(wide["group"]) == ["z", "z", "a", "a"] and list(wide["person"]) == ["Ada", "Bo"] * 2
    assert {"age", "age_attribute", "group", "group_item", "budget[roads]", "inst[police]", "region"} <= set(
        wide.columns
    )
    assert sorted(wide["age_attribute"].unique()) == [31, 61]
    assert set(wide["group"]) == {"z", "a"}
    shares = wide[[f"p[age={point}]" for point in range(1, 6)]].sum(axis=1)
    assert shares.to_list() == pytest.approx([1] * 4, abs=1e-4)


def test_a_run_without_a_survey_has_no_answers(lab: Lab) -> None:
    import harness

    lab.run("--count=1", model="rehearsal")
    frames = harness.load(lab.results)
    assert frames.answers.empty
    assert frames.answers_wide.empty


FREE_TEXT = """
import pytest
from harness import Experiment, FreeText, Group, Persona, Survey

why = Experiment(
    name="why",
    population=(Persona("Ada", {"age": 31}), Persona("Bo", {"age": 61})),
    groups=(Group("plain"), Group("hopeful", instructions="You feel hopeful today.")),
    survey=Survey([FreeText("why", "Why do you live here?")]),
)


@pytest.mark.experiment(why)
def test_why(cell):
    cell.run()
"""


def test_a_survey_of_free_text_alone_gives_answers_and_says_that_nothing_is_compared(lab: Lab) -> None:
    import harness

    lab.write(FREE_TEXT)
    said = "The experiment has no metric, so there is nothing to compare."
    lab.run(model="rehearsal").stdout.fnmatch_lines([said])
    assert said in " ".join(lab.command("analyse", "results").stdout.split())
    assert lab.command("report", "results", "--out", "report.html").returncode == 0
    page = (lab.path / "report.html").read_text(encoding="utf-8")
    assert said in page and "What do personas answer in plain and hopeful?" in page
    assert harness.load(lab.results).answers["answer"].map(len).min() > 10
