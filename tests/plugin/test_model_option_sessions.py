"""Request fields declared for arms, sessions and experiments, from the declaration to what the model is sent."""

from __future__ import annotations

import json
import sqlite3
import zlib
from typing import Any

import pytest

import harness
from tests.support.sessions import SMALL, Lab

ARMS = SMALL.replace(
    'Group("Control"), Group("Treatment")',
    'Group("Control"), Group("Treatment", model_options={"reasoning_effort": "high", "temperature": 0.9})',
).replace('    modes={"full"', '    model_options={"top_p": 0.5, "max_tokens": 700},\n    modes={"full"')
PLAY = """
import pytest
from harness import Experiment, Group, Measure, Play, Sample, Script, TrialResult
from harness.gateway.calls import Request, CallSite

async def play(plan, client):
    words = [{"role": "user", "content": "Name a colour."}]
    reply = await client.complete(Request(words, extra={"top_p": 1.0}), CallSite("answer"))
    return TrialResult(plan.trial, (Sample("length", float(len(reply.text))),))

colours = Experiment(
    name="colours",
    groups=(Group("Control"), Group("Treatment", model_options={"top_p": 0.1})),
    script=Script(task=""),
    metrics=(Measure("length"),),
    play=Play(play),
)

@pytest.mark.experiment(colours)
def test_colours(cell):
    cell.run()
"""


def fields(request: Any) -> dict[str, Any]:
    return {"temperature": request.temperature, "max_tokens": request.max_tokens, **request.extra}


def test_declared_options_reach_every_call_of_their_arm_and_stand_in_records(lab: Lab) -> None:
    lab.write(ARMS)
    result = lab.run("--model-option", "top_p=0.8", "--model-option", "user=lab")
    assert result.ret == 0
    shared = {"top_p": 0.8, "user": "lab", "max_tokens": 700}
    arm = {"reasoning_effort": "high", "temperature": 0.9}
    for trial, request in zip(lab.watched.calls, lab.watched.requests, strict=True):
        form = request.response_format
        measures = form is not None and form["json_schema"]["name"] == "score"
        own = arm if "/Treatment/" in trial and not measures else {}
        assert fields(request) == {"temperature": None, **shared, **own}
    (control,), (treatment,) = ([*lab.lines(group, "run_metadata")] for group in ("Control", "Treatment"))
    assert control["settings"] == treatment["settings"]
    assert control["settings"]["model_options"] == shared
    assert (control["group_settings"].get("model_options"), control["model_options"]) == (None, shared)
    assert treatment["group_settings"]["model_options"] == arm
    assert treatment["model_options"] == {**shared, "reasoning_effort": "high"}
    assert (control["temperature"], treatment["temperature"]) == (None, 0.9)
    assert "no intervention; reasoning_effort high, temperature\n  0.9" in result.stdout.str()
    checks = {(one["name"], one["about"]): one for one in lab.meta()["instrument"]["checks"]}
    assert checks["settings", ""]["level"] == "PASS"
    assert checks["model options", "Treatment"]["level"] == "PASS"


def test_the_journal_holds_the_options_that_were_sent(lab: Lab) -> None:
    lab.write(ARMS)
    lab.run("-k", "Treatment")
    (journal,) = (lab.results / "journal").glob("*.sqlite")
    with sqlite3.connect(journal) as file:
        bodies = [json.loads(zlib.decompress(body)) for (body,) in file.execute("select body from requests")]
    assert all({"top_p": 0.5}.items() <= body[5].items() and body[4] == 700 for body in bodies)
    assert any(body[5].get("reasoning_effort") == "high" and body[3] == 0.9 for body in bodies)


def test_other_options_are_another_run_and_equal_ones_resume(lab: Lab) -> None:
    lab.write(ARMS)
    lab.run("--model-option", "top_p=0.8", "-k", "Control")
    sent = len(lab.watched.calls)
    lab.run("--model-option", "top_p=0.80", "-k", "Control")
    assert len(lab.watched.calls) == sent
    lab.run("--model-option", "top_p=0.7", "-k", "Control")
    assert len(lab.watched.calls) == 2 * sent
    assert len(lab.artifacts) == 2


def test_an_option_that_a_play_overrules_fails_its_check(lab: Lab) -> None:
    lab.write(PLAY)
    assert lab.run().ret == 0
    assert {request.extra["top_p"] for request in lab.watched.requests} == {1.0}
    (check,) = (one for one in lab.meta()["instrument"]["checks"] if one["name"] == "model options")
    assert (check["level"], check["about"]) == ("FAIL", "Treatment")
    assert check["message"] == "top_p reached no call in 1 of 1 trials"


@pytest.mark.parametrize("options", [["--model-option", "seed=7"], ["--model-option", "top_p"]])
def test_options_that_cannot_be_are_refused_before_anything_is_sent(lab: Lab, options: list[str]) -> None:
    result = lab.run(*options)
    assert result.ret == 4
    assert not lab.watched.calls
    result.stderr.fnmatch_lines(["*--model-option*"])


def test_run_takes_options_from_a_script(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.path)
    space: dict[str, Any] = {}
    exec(SMALL, space)
    options = {"top_p": 0.3, "stop": ["a", "b"], "think": False, "user": "5"}
    done = harness.run(space["small"], model="watched", model_options=options, quiet=True)
    assert done.exit_code == 0
    assert all(request.extra == options for request in lab.watched.requests)
    with pytest.raises(harness.ConfigurationError, match="seed"):
        harness.run(space["small"], model="watched", model_options={"seed": 1}, quiet=True)
