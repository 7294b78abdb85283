"""A setting that the play does not read is an error: before the first call where its code shows it, else at the end."""

from __future__ import annotations

import pytest

from tests.support.sessions import Lab

PLAY = """
import dataclasses

import pytest
from harness import Experiment, Group, Measure, Play, Sample, Script, TrialResult
from harness.gateway.calls import CallSite, Request

KEY = "instruction"


def prompt(plan):
    return plan.proposal["id"] + plan.arm["instruction"]


async def play(plan, client):
    text = {reads}
    await client.complete(Request(({{"role": "user", "content": str(text)}},)), CallSite("say"))
    return TrialResult(plan.trial, (Sample("length", 1.0),))


small = Experiment(
    name="small",
    groups=(Group("Control"), Group("Concise", settings={{"instruction": "Be concise."}})),
    script=Script("", proposals=({{"id": "a"}}, {{"id": "b"}})),
    metrics=(Measure("length"),),
    play=Play(play{options}),
    settings={settings},
)


@pytest.mark.experiment(small)
def test_small(cell):
    cell.run()
"""


def write(lab: Lab, reads: str, settings: str = "{}", options: str = "") -> None:
    lab.write(PLAY.format(reads=reads, settings=settings, options=options))


@pytest.mark.parametrize(
    ("reads", "settings", "problem"),
    [
        ('plan.arm.get("instructions", "")', "{}",
         "*Group 'Concise' of small: settings={'instruction': 'Be concise.'}; the play does not read 'instruction', so "
         "that no model would see it: it reads 'instructions'. Did you mean 'instructions'?*"),
        ('plan.proposal["id"]', "{}", "*the play does not read 'instruction'*: it does not use plan.arm.*"),
        ('[plan.arm.get("instruction"), plan.settings["place"]]', "{'place': 'Oslo', 'season': 'May'}",
         "*Experiment small: settings={'season': 'May'}; the play does not read 'season'*: it reads 'place'.*"),
    ],
)  # fmt: skip
def test_what_the_code_cannot_read_is_refused_before_the_first_call(
    lab: Lab, reads: str, settings: str, problem: str
) -> None:
    write(lab, reads, settings)
    result = lab.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([problem])
    assert lab.watched.calls == []


@pytest.mark.parametrize(
    "reads",
    [
        'plan.arm.get("instruction", "")',
        "{**plan.arm}",
        "dict(plan.arm)",
        "plan.arm",
        "plan.arm.get(KEY)",
        "dataclasses.asdict(plan)",
        "[getattr(plan, 'arm')]",
        "prompt(plan) if plan.arm else 0",
        'plan.arm and plan.proposal["id"] == "b" and plan.arm["instruction"]',
    ],
)
def test_every_way_to_read_a_setting_counts(lab: Lab, reads: str) -> None:
    write(lab, reads)
    lab.run("--no-summary").assert_outcomes(passed=2)
    assert all("unread_settings" not in one or one["proposal"] == 0 for one in lab.lines(kind="trial_result"))
    checks = lab.meta()["instrument"]["checks"]
    assert "settings read" not in {one["name"] for one in checks}


HIDDEN = "(arm := plan.arm).get('tone'), arm.get('instructions')"


def test_what_only_the_trials_show_fails_the_case_and_the_check(lab: Lab) -> None:
    write(lab, f"({HIDDEN})")
    result = lab.run()
    result.assert_outcomes(passed=1, failed=1)
    said = (
        "*small-Concise-1: plan.arm*'instruction'* was read in none of 2 finished trials, so no model saw it "
        "(read was 'instructions'). A setting that nothing reads is not a treatment: *"
    )
    result.stdout.fnmatch_lines([said])
    result.stdout.fnmatch_lines(
        ["*FAIL settings read, Concise: plan.arm*'instruction'* was read in none of 2"]
    )


def test_a_case_per_trial_is_judged_by_the_check_alone(lab: Lab) -> None:
    write(lab, f"({HIDDEN})", options=", case_per_trial=True")
    result = lab.run()
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*FAIL settings read, Concise*"])
