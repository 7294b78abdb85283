"""Surveys as sessions: what they leave, what they estimate and print, and how a killed one ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.kills import CountingEndpoint, Sessions

from tests.support.sessions import Lab

SURVEY = """
import pytest
from harness import Choice, Experiment, FreeText, Group, Likert, Persona, Script, Survey

town = Experiment(
    name="town",
    population=tuple(Persona(f"P{number}", {"age": 20 + number, "region": "NS"[number % 2]}) for number in range(8)),
    groups=(
        Group("plain"),
        Group("framed", survey={"trust": "How far do you trust the people of the council of {town}?"}),
        Group("hopeful", instructions="You feel hopeful today."),
    ),
    script=Script("", proposals=({"town": "Ulm"},)),
    survey=Survey(
        items=[
            Likert("trust", "How far do you trust the council of {town}?", opt_out=("don't know",)),
            Choice("stay", "Will you stay?", options=("yes", "no"), shuffle=True),
            FreeText("why", "You said {stay}. Why?", categories=("money", "other"), when="trust <= 4"),
        ],
        ask="separately",
        shuffle_items=True,
    ),
)


@pytest.mark.experiment(town)
def test_town(cell):
    cell.run()
"""


def test_a_survey_leaves_answers_with_attributes_in_long_and_wide_form(lab: Lab) -> None:
    pytest.importorskip("pandas")
    import harness

    lab.write(SURVEY)
    lab.run(model="rehearsal").stdout.fnmatch_lines(
        ["framed: trust 'How far do you trust the people *", "*24 of 24*"]
    )
    frames = harness.load(lab.results)
    long, wide = frames.answers, frames.answers_wide
    assert len(long) == 24 * 3
    assert len(wide) == 24
    assert {"age", "region", "weight"} <= set(long.columns) & set(wide.columns)
    assert set(long.status) <= {"answered", "opt out", "skipped"}
    assert list(wide.columns[wide.columns.get_loc("person") + 1 :])[:3] == ["trust", "stay", "why"]
    trust = wide[wide.group == "plain"].set_index("person").trust
    assert trust.dropna().map(lambda value: value == "don't know" or 1 <= value <= 5).all()
    counted = lab.command(
        "query", "select count(*) as n from answers where item = 'stay' and options is not null"
    )
    assert "24" in counted.stdout


def test_arms_share_orders_and_the_checks_find_nothing_but_the_treatment(lab: Lab) -> None:
    lab.write(SURVEY)
    lab.run(model="rehearsal").assert_outcomes(passed=3)
    orders: dict[str, set[str]] = {}
    for record in lab.lines(kind="trial_result"):
        orders.setdefault(record["people"][0], set()).add(json.dumps(record["order"], sort_keys=True))
    assert all(len(found) == 1 for found in orders.values())
    assert (
        len({*orders.values().__iter__().__next__(), *(next(iter(found)) for found in orders.values())}) > 1
    )
    checks = {(one["name"], one["about"]): one["level"] for one in lab.meta()["instrument"]["checks"]}
    for arm in ("framed", "hopeful"):
        assert checks["treatment", f"{arm} against plain"] == "PASS"
        assert checks["only the treatment", f"{arm} against plain"] == "PASS"
    assert "FAIL" not in {level for (name, _), level in checks.items() if name.startswith("missing")}


def test_estimate_and_prompts_know_a_survey(lab: Lab) -> None:
    lab.write(SURVEY)
    lab.run("--estimate", model="rehearsal").stdout.fnmatch_lines(["  code_answer *", "  survey *"])
    printed = lab.command("prompts", "test_small.py", "--diff", "plain", "hopeful", "--calls", "1").stdout
    assert "+You feel hopeful today." in printed


@pytest.mark.slow
def test_a_killed_survey_ends_as_if_undisturbed_and_pays_for_no_answer_twice(lab: Lab) -> None:
    lab.write(SURVEY)
    with CountingEndpoint(0.005) as endpoint:
        sessions = Sessions(endpoint, lab.path, ("-m", "experiment", "--concurrency=4"))
        undisturbed = sessions.finish(lab.path / "undisturbed")
        calls = endpoint.count
        killed = lab.path / "killed"
        assert sessions.kill_at(killed, calls // 2), "it ended before it could be killed"
        assert sessions.finish(killed) == undisturbed
        assert calls <= endpoint.count - calls <= calls + 4
    assert answers_in(killed) == answers_in(lab.path / "undisturbed")


def answers_in(folder: Path) -> dict[str, object]:
    lines = [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return {
        line["trial"]: (line["answers"], line["order"]) for line in lines if line["type"] == "trial_result"
    }
