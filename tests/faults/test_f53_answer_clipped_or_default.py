"""F53: a survey answer out of range becomes the nearest answer, or a default."""

from __future__ import annotations

import json

import pytest

from tests.support.sessions import Lab

SURVEY = """
import pytest
from harness import Experiment, Group, Likert, Persona, Survey, YesNo

trust = Experiment(
    name="trust",
    population=(Persona("Ada", {"age": 31}), Persona("Bo", {"age": 61})),
    groups=(Group("plain"), Group("hopeful", instructions="You feel hopeful today.")),
    survey=Survey(items=[Likert("trust", "How far do you trust the council?"), YesNo("stay", "Will you stay?")]),
)


@pytest.mark.experiment(trust)
def test_trust(cell):
    cell.run()
"""


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ('{"q1": 7, "q2": "yes"}', "7 is not on the scale; expected a whole number from 1 to 5."),
        ('{"q1": 0, "q2": "yes"}', "0 is not on the scale"),
        ('{"q1": 4.6, "q2": "yes"}', "4.6 is not on the scale"),
        ('{"q1": "4 or 5", "q2": "yes"}', "'4 or 5' is not on the scale"),
        ('{"q1": null, "q2": "yes"}', "None is not on the scale"),
    ],
)
def test_an_answer_out_of_range_is_missing_with_its_reason_and_the_others_stay(
    lab: Lab, reply: str, reason: str
) -> None:
    lab.write(SURVEY)
    lab.watched.text = reply
    lab.run().assert_outcomes(passed=2)
    assert len(lab.watched.calls) > 4, "it is asked again, and not for ever"
    for record in lab.lines(kind="trial_result"):
        answers = record["answers"]
        assert answers["trust"]["status"] == "missing"
        assert reason in answers["trust"]["reason"]
        assert answers["stay"] == {"status": "answered", "value": "yes", "position": 2}
    results = [group["results"] for group in lab.artifact()["experiments"].values()]
    assert [one["trust"] for one in results] == [[], []]
    assert [one["stay"] for one in results] == [[1.0, 1.0], [1.0, 1.0]]
    levels = {(one["name"], one["about"]): one["level"] for one in lab.meta()["instrument"]["checks"]}
    assert levels["missing", "trust"] == "FAIL"


def test_what_is_no_answer_at_all_leaves_every_item_missing(lab: Lab) -> None:
    lab.write(SURVEY)
    lab.watched.text = "I would say four, or maybe five."
    lab.run().assert_outcomes(passed=2)
    for record in lab.lines(kind="trial_result"):
        assert {one["status"] for one in record["answers"].values()} == {"missing"}
        assert all(sample["value"] is None and sample["reason"] for sample in record["samples"])
    assert "4" not in json.dumps(lab.artifact()["experiments"]["plain"]["results"])
