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
    assert len(wide) == 4
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
