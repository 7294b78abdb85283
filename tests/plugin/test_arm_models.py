"""Arms with their own model: who is asked, what is recorded and priced, and what is refused before the first call."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import ExitCode
from harness.gateway.attempts import GREETING
from harness.gateway.rehearsal.provider import RehearsalProvider
from harness.gateway.server.chat_completions import chat_request
from tests.support.endpoint import FakeEndpoint
from tests.support.sessions import LIGHT, SMALL, Lab

ARMS = SMALL.replace('Group("Treatment")', 'Group("Treatment", model="openai:m-b")')
MODEL_A = "openai:m-a"


def obedient(body: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {"content": RehearsalProvider(1).answer(chat_request(body), trial="t", occurrence=number).text}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")
    with FakeEndpoint(message=obedient) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        yield served


def asked(endpoint: FakeEndpoint) -> Counter[tuple[str, str]]:
    names = (
        (str(seen.body["model"]), seen.body["response_format"]["json_schema"]["name"])
        for seen in endpoint.requests
    )
    return Counter(names)


def test_the_arm_s_model_plays_and_the_session_s_judges_both_arms(lab: Lab, endpoint: FakeEndpoint) -> None:
    lab.write(ARMS)
    result = lab.run(model=MODEL_A)
    assert result.ret == 0
    assert asked(endpoint) == {("m-a", "turn"): 4, ("m-b", "turn"): 4, ("m-a", "score"): 8}
    result.stdout.fnmatch_lines(["Treatment: model openai:m-b; *"])
    models = {arm: lab.lines(arm, "run_metadata")[0]["model"] for arm in ("Control", "Treatment")}
    assert models == {"Control": "m-a", "Treatment": "m-b"}
    checks = {(one["name"], one["level"]) for one in lab.meta()["instrument"]["checks"]}
    assert {("treatment", "PASS"), ("only the treatment", "PASS"), ("settings", "PASS")} <= checks


def test_the_budget_prices_each_model_by_its_name(lab: Lab, endpoint: FakeEndpoint, tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"m-a": {"input": 1, "output": 1}}))
    lab.write(ARMS)
    result = lab.run(f"--prices={prices}", "--max-cost=1", model=MODEL_A)
    assert result.ret != 0 and not endpoint.requests, "no price of m-b: refused before the first call"
    assert "m-b" in result.stdout.str() + result.stderr.str()
    prices.write_text(json.dumps({"m-a": {"input": 1, "output": 1}, "m-b": {"input": 1000, "output": 0}}))
    result = lab.run(f"--prices={prices}", "--max-cost=9", model=MODEL_A)
    assert result.ret == 0
    costs = {
        arm: sum(one["usage"]["cost"] for one in lab.lines(arm, "trial_result"))
        for arm in ("Control", "Treatment")
    }
    assert costs["Control"] == pytest.approx(8 * 10 / 1e6)
    assert costs["Treatment"] == pytest.approx((4 * 7000 + 4 * 10) / 1e6)
    text = " ".join(result.stdout.str().split())
    assert (
        "Control: 8 calls, 56 tokens in, 24 out, $0.0001. Treatment: 8 calls, 56 tokens in, 24 out, $0.0280."
        in text
    )


def test_a_rehearsal_records_the_name_and_answers_itself(lab: Lab) -> None:
    lab.write(ARMS)
    result = lab.run(model="rehearsal")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["REHEARSAL*", "*Treatment: model openai:m-b; *"])
    (line,) = lab.lines("Treatment", "run_metadata")
    assert (line["provider"], line["group_settings"]["model"]) == ("rehearsal", "openai:m-b")
    used = {one["model"] for record in lab.lines(kind="trial_result") for one in record["usage"]["models"]}
    assert used == {"rehearsal-1"}


@pytest.mark.parametrize("model", ["rehearsal", MODEL_A])
def test_an_unknown_provider_in_one_arm_of_four_is_refused_before_the_first_call(
    lab: Lab, endpoint: FakeEndpoint, model: str
) -> None:
    arms = 'Group("B"), Group("C"), Group("D", model="opnai:m-b")'
    lab.write(SMALL.replace('Group("Treatment")', arms))
    result = lab.run(model=model)
    assert result.ret in (ExitCode.USAGE, ExitCode.FAILED)
    assert not endpoint.requests and not lab.lines(kind="trial_result")
    said = " ".join((result.stdout.str() + result.stderr.str()).split())
    assert "Group 'D' of small: Model 'opnai:m-b': unknown provider 'opnai'" in said
    assert "Did you mean 'openai'?" in said


def test_another_model_is_another_run(lab: Lab, endpoint: FakeEndpoint) -> None:
    lab.write(ARMS)
    lab.run("--no-summary", model=MODEL_A)
    lab.write(ARMS.replace("m-b", "m-c"))
    lab.run("--no-summary", model=MODEL_A)
    assert asked(endpoint)["m-c", "turn"] == 4 and len(lab.artifacts) == 2


NAMING = """
import pytest
from harness import Experiment, Group, Measure, Play, Sample, Script, TrialResult
from harness.gateway.calls import CallSite, Request


async def play(plan, client):
    request = Request([{"role": "user", "content": plan.proposal["id"]}], model=plan.arm["who"])
    reply = await client.complete(request, CallSite("answer"))
    return TrialResult(plan.trial, (Sample("length", float(len(reply.text))),))

naming = Experiment(
    name="naming",
    groups=(Group("a", settings={"who": "m-a"}), Group("b", settings={"who": "m-b"})),
    script=Script("", proposals=({"id": "one"}, {"id": "two"})),
    metrics=(Measure("length"),),
    play=Play(play),
)


@pytest.mark.experiment(naming)
def test_naming(cell):
    cell.run()
"""


def test_models_named_by_requests_are_asked_recorded_and_priced(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.json"
    monkeypatch.setenv("OPENAI_API_KEY", "fake-key-1")
    prices.write_text(
        json.dumps(
            {f"m-{one}": {"input": dollars, "output": 0} for one, dollars in (("a", 1), ("b", 9), ("s", 1))}
        )
    )
    lab.write(NAMING)
    with FakeEndpoint() as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        assert lab.run(f"--prices={prices}", "--max-cost=1", model="openai:m-s").ret == 0
    assert Counter(str(one.body["model"]) for one in endpoint.requests) == {"m-a": 2, "m-b": 2}
    for arm, dollars in (("a", 1), ("b", 9)):
        usage = [one["usage"] for one in lab.lines(arm, "trial_result")]
        assert {one["model"] for each in usage for one in each["models"]} == {f"m-{arm}-2025"}
        assert sum(each["cost"] for each in usage) == pytest.approx(2 * 7 * dollars / 1e6)
    assert not [one for one in lab.meta()["instrument"]["checks"] if one["level"] == "FAIL"]
    assert lab.meta()["usage"]["roles"] == {"player": {"openai:m-a": 2, "openai:m-b": 2}}


def test_a_request_for_a_model_that_cannot_be_asked_ends_the_session_and_says_why(
    lab: Lab, endpoint: FakeEndpoint
) -> None:
    lab.write(NAMING.replace('"m-b"', '"opnai:m-b"'))
    result = lab.run("-k", "b", model="openai:m-s")
    assert result.ret == ExitCode.FAILED and not endpoint.requests
    assert "Did you mean 'openai'?" in result.stdout.str() + result.stderr.str()


def test_a_play_with_a_fixed_model_asks_the_session_s_whatever_it_names(lab: Lab) -> None:
    lab.write(NAMING.replace("Play(play)", "Play(play, fixed_model=True)"))
    lab.run().assert_outcomes(passed=2)
    assert {one.model for one in lab.watched.requests} == {"watched-1"}


ROLES = """
import pytest
from harness import Experiment, Group, Measure, Play, Sample, Script, TrialResult
from harness.gateway.calls import CallSite, Request


async def play(plan, client):
    async def ask(what, site):
        return await client.complete(Request([{"role": "user", "content": what}]), site)

    await ask("say something", CallSite("answer"))
    await ask("score it", CallSite("score"))
    await ask("grade it", CallSite("grade", role="judge"))
    await ask("list it", CallSite("extract"))
    await ask("check it", CallSite("check", role="corrector"))
    await ask("go on", CallSite("turn", role="user"))
    return TrialResult(plan.trial, (Sample("one", 1.0),))

roles = Experiment(
    name="roles",
    groups=(Group("a"), Group("b", model="openai:m-b")),
    script=Script("", proposals=({"id": "one"},)),
    metrics=(Measure("one"),),
    play=Play(play),
)


@pytest.mark.experiment(roles)
def test_roles(cell):
    cell.run()
"""


@pytest.mark.parametrize(
    ("options", "judge", "extractor", "corrector", "user"),
    [
        ((), "m-a", "m-a", None, "m-a"),
        (("--judge-model=openai:m-j",), "m-j", "m-j", None, "m-a"),
        (
            *(("--judge-model=openai:m-j", "--extractor-model=openai:m-e", "--corrector-model=openai:m-c"),),
            *("m-j", "m-e", "m-c", "m-a"),
        ),
        (("--user-model=openai:m-u",), "m-a", "m-a", None, "m-u"),
    ],
)
def test_each_role_has_its_model_in_every_arm_and_the_summary_says_which(
    lab: Lab,
    endpoint: FakeEndpoint,
    options: tuple[str, ...],
    judge: str,
    extractor: str,
    corrector: str | None,
    user: str,
) -> None:
    lab.write(ROLES)
    with FakeEndpoint() as plain, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", plain.url)
        result = lab.run(*options, model=MODEL_A)
    assert result.ret == 0
    said = Counter((one.body["messages"][0]["content"], one.body["model"]) for one in plain.requests)
    expected = Counter({("score it", judge): 2, ("grade it", judge): 2, ("list it", extractor): 2})
    expected += Counter({("go on", user): 2, ("say something", "m-a"): 1, ("say something", "m-b"): 1})
    expected += Counter([("check it", corrector or "m-a"), ("check it", corrector or "m-b")])
    expected += Counter((GREETING.messages[0]["content"], one.partition("openai:")[2]) for one in options)
    assert said == expected
    text = " ".join(result.stdout.str().split())
    assert "Replies by role: player openai:m-a (1), openai:m-b (1); " in text
    assert f"; judge openai:{judge} (4); extractor openai:{extractor} (2); " in text
    assert f"; user openai:{user} (2)." in text
    line = lab.lines("a", "run_metadata")[0]
    assert (line.get("extractor_model"), line.get("corrector_model")) == (
        extractor if extractor != judge else None,
        corrector,
    )


def test_roles_are_rehearsed_under_their_models_names(lab: Lab) -> None:
    lab.write(ROLES)
    result = lab.run("--judge-model=anthropic:claude-x", model="rehearsal")
    assert result.ret == 0
    text = " ".join(result.stdout.str().split())
    assert (
        "Rehearsed replies by role: player openai:m-b (1), rehearsal:rehearsal-1 (1); judge anthropic:claude-x (4)"
        in text
    )
    assert lab.meta()["rehearsal"]


@pytest.mark.parametrize("known", [("m-a", "m-b", "m-c"), ("m-a", "m-b")])
def test_an_estimate_prices_each_arm_by_its_model(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], known: tuple[str, ...]
) -> None:
    dollars = {"m-a": 1, "m-b": 1000, "m-c": 10}
    own = {name: {"input": dollars[name], "output": 0} for name in known}
    (lab.path / "own.json").write_text(json.dumps(own))
    arms = 'Group("B", model="openai:m-b"), Group("C", model="openai:m-c")'
    lab.write(SMALL.replace('Group("Treatment")', arms))
    monkeypatch.setattr(
        sys,
        "argv",
        ["harness", "estimate", "test_small.py", "--json", "--prices=own.json", f"--model={MODEL_A}"],
    )
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(LIGHT))
    sys.modules.pop("test_small", None)
    with pytest.raises(SystemExit):
        main()
    (found,) = json.loads(capsys.readouterr().out)["estimates"]
    cost = {one["name"]: one["rehearsed"]["dollars"] for one in found["groups"]}
    assert 0 < cost["Control"] < cost["B"] / 100
    if "m-c" in known:
        assert cost["Control"] < cost["C"] < cost["B"] and found["total"]["rehearsed"]["dollars"] is not None
    else:
        assert cost["C"] is None and found["total"]["rehearsed"]["dollars"] is None
        assert "openai:m-c" in found["price_reason"]
    assert {one["name"]: one["models"] for one in found["groups"]} == {
        "Control": {"openai:m-a": 8},
        "B": {"openai:m-a": 4, "openai:m-b": 4},
        "C": {"openai:m-a": 4, "openai:m-c": 4},
    }
    assert any(note == "B: calls 4 to openai:m-a, 4 to openai:m-b." for note in found["notes"])


def test_a_model_that_a_dialogue_names_is_checked_before_the_first_call(
    lab: Lab, endpoint: FakeEndpoint
) -> None:
    lab.write(
        """
import pytest
from harness import Dialogue, Experiment, Group, Measure, Mode, Persona, Script

talks = Experiment(
    name="talks",
    groups=(Group("a"), Group("b", instructions="Be brief.")),
    script=Script("", proposals=({"thing": "a lamp"},)),
    metrics=(Measure("turns"),),
    modes={"full": Mode(reps=1, steps=1)},
    play=Dialogue(
        "Get your money back for {thing}.", agent="opnai:bot", user=(Persona("Ada", {"occupation": "trader"}),)
    ),
)


@pytest.mark.experiment(talks)
def test_talks(cell):
    cell.run()
"""
    )
    result = lab.run(model=MODEL_A)
    assert result.ret != 0 and not endpoint.requests
    said = " ".join((result.stdout.str() + result.stderr.str()).split())
    assert "Experiment talks: play: agent: Model 'opnai:bot': unknown provider 'opnai'" in said
