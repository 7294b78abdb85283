"""What an arm declares reaches the model in that arm alone, is recorded, and begins another run; or it is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from harness import Experiment, Group, Measure, Persona, Play, Proposition, Script, load_population
from harness.errors import ConfigurationError
from harness.runtime.plan import plan_cell
from tests.support.sessions import SMALL, Lab

FINCH = (
    'Group("Treatment", population=(Persona("Finch", {"occupation": "nurse"}), Persona("Gil", {"age": 9})))'
)


def with_treatment(declared: str) -> str:
    return SMALL.replace('Group("Treatment")', declared)


def prompts(lab: Lab) -> dict[str, list[str]]:
    """The requests for turns, as text, by arm."""
    found: dict[str, list[str]] = {"Control": [], "Treatment": []}
    for trial, request in zip(lab.watched.calls, lab.watched.requests, strict=True):
        name = ((request.response_format or {}).get("json_schema") or {}).get("name")
        if name == "turn":
            found[trial.split("/")[1]].append(json.dumps([request.messages, request.temperature]))
    return found


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ('Group("Treatment", instructions="Be concise, always.")', "Be concise, always."),
        ('Group("Treatment", script={"task": "Fight over {thing}."})', "Fight over a lamp."),
        ('Group("Treatment", script={"introduction": "The bell rings."})', "The bell rings."),
        (FINCH, "Finch"),
        ('Group("Treatment", fragments=("difficult_person",))', "Looks for the flaw in everything"),
        ('Group("Treatment", temperature=0.25)', "0.25]"),
    ],
)
def test_what_an_arm_declares_is_sent_in_that_arm_alone(lab: Lab, declared: str, words: str) -> None:
    lab.write(with_treatment(declared))
    lab.run("--no-summary").assert_outcomes(passed=2)
    sent = prompts(lab)
    assert sent["Control"] and sent["Treatment"]
    assert not any(words in text for text in sent["Control"])
    assert sum(words in text for text in sent["Treatment"]) >= len(sent["Treatment"]) / 2


def test_a_small_memory_forgets(lab: Lab) -> None:
    lab.write(with_treatment('Group("Treatment", memory_limit=1000)').replace("steps=1", "steps=6"))
    lab.run("--no-summary").assert_outcomes(passed=2)
    sent = prompts(lab)
    faded = "earlier moments have faded"
    assert any(faded in text for text in sent["Treatment"])
    assert not any(faded in text for text in sent["Control"])


def test_another_task_is_judged_by_the_same_words(lab: Lab) -> None:
    lab.write(with_treatment('Group("Treatment", script={"task": "Fight over {thing}."})'))
    lab.run("--no-summary")
    judged = [
        json.dumps(list(request.messages))
        for request in lab.watched.requests
        if (request.response_format or {}).get("json_schema", {}).get("name") == "score"
    ]
    assert judged and all("The task that was given\\n\\nAgree on" in text for text in judged)


def test_arms_are_recorded_summed_up_and_part_of_the_run_s_identity(lab: Lab) -> None:
    lab.write(
        with_treatment('Group("Treatment", instructions="Be concise.", script={"task": "Swap {thing}."})')
    )
    result = lab.run()
    result.stdout.fnmatch_lines(["Treatment: instructions 'Be concise.'; task 'Swap {thing}.'; *"])
    (line,) = lab.lines("Treatment", "run_metadata")
    assert line["group_settings"]["instructions"] == "Be concise."
    assert line["script"]["words"]["task"] == "Swap {thing}."
    (control,) = lab.lines("Control", "run_metadata")
    assert "instructions" not in control["group_settings"]
    assert control["script"]["words"]["task"] == "Agree on {thing}."
    lab.watched.forget()
    lab.write(
        with_treatment('Group("Treatment", instructions="Be brief.", script={"task": "Swap {thing}."})')
    )
    lab.run("--no-summary").assert_outcomes(passed=2)
    assert lab.watched.calls, "other instructions are another run"


def experiment(**more: Any) -> Experiment:
    people = (Persona("Ada", {"job": "baker"}),)
    usual: dict[str, Any] = {
        "name": "small", "groups": (Group("Control"), Group("Concise")), "script": Script("Agree."),
        "metrics": (Proposition("Calm", "All stay calm."),), "population": people,
    }  # fmt: skip
    return Experiment(**{**usual, **more})


async def play(plan: Any, client: Any) -> Any: ...


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"settings": {"instruction": "Be concise."}}, "nothing reads settings.*Expected Group.instructions="),
        ({"settings": {"tempreature": 1}}, "Expected Group.temperature="),
        ({"settings": {"tone": "dry"}}, "Expected a field of Group, such as instructions="),
        ({"instructions": "  "}, "instructions=' '*.*expected a name: text that is not empty"),
        ({"instructions": 7}, "instructions=7; expected"),
        ({"temperature": 3}, "temperature=3; expected 0 to 2"),
        ({"temperature": 1, "model_options": {"temperature": 1}}, "are both set"),
        ({"memory_limit": 10}, "memory_limit=10; expected 1000 or more"),
        ({"script": {"claim": "x"}}, "expected one of introduction, task, consolidation"),
        ({"script": {"task": ""}}, "expected text that is not empty"),
        ({"script": {"task": "Sell {thing}."}}, r"script.task uses \{thing\}, which proposal 0 lacks"),
        ({"population": 7}, "population=7; expected the name of a packaged population"),
    ],
)  # fmt: skip
def test_what_no_model_would_see_is_refused_at_declaration(declared: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"Group 'Concise' of small: .*{problem}"):
        experiment(groups=(Group("Control"), Group("Concise", **declared)))


def test_settings_of_an_experiment_without_a_play_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Experiment small: settings=.*nothing reads settings"):
        experiment(settings={"place": "Oslo"})


@pytest.mark.parametrize("field", ["instructions", "memory_limit"])
def test_a_play_is_told_to_read_its_own_settings(field: str) -> None:
    own: dict[str, Any] = {field: {"instructions": "Be brief.", "memory_limit": 2000}[field]}
    with pytest.raises(ConfigurationError, match=rf"plan\.arm\['{field}'\]"):
        experiment(play=Play(play), metrics=(Measure("m"),), groups=(Group("A"), Group("B", **own)))


# The treatment check


def check_lines(lab: Lab, *options: str) -> list[str]:
    result = lab.run(*options)
    text = " ".join(result.outlines)
    return [one for one in ("FAIL treatment", "FAIL only the treatment", "WARN treatment") if one in text]


@pytest.mark.parametrize(
    "declared",
    [
        'Group("Treatment", instructions="Be concise, always.")',
        'Group("Treatment", script={"task": "Fight over {thing}, long and hard."})',
        FINCH,
        'Group("Treatment", fragments=("difficult_person",))',
        'Group("Treatment", temperature=0.25)',
    ],
)
def test_a_treatment_that_was_sent_passes(lab: Lab, declared: str) -> None:
    lab.write(with_treatment(declared))
    assert check_lines(lab) == []
    (passed,) = [one for one in lab.meta()["instrument"]["checks"] if one["name"] == "treatment"]
    assert passed["level"] == "PASS" and "sent as declared in 2 pairs of trials" in passed["message"]


def test_nothing_is_said_of_a_treatment_that_requests_of_people_do_not_show(lab: Lab) -> None:
    lab.write(with_treatment('Group("Treatment", correction=Correction(quality_threshold=6))'))
    assert check_lines(lab) == []
    assert "treatment" not in {one["name"] for one in lab.meta()["instrument"]["checks"]}


def test_an_option_that_a_play_overrides_fails_the_check(lab: Lab) -> None:
    source = PLAY.format(
        body="""text = (await ask(client, plan.proposal["id"] + plan.arm["tone"], temperature=0.9)).text"""
    )
    lab.write(source.replace('settings={"tone": "rudely"}', 'settings={"tone": "plainly"}, temperature=0.1'))
    result = lab.run()
    result.stdout.fnmatch_lines(
        ["*FAIL treatment, rude against plain: model options: declared, and in no request*"]
    )


def test_arms_alike_in_everything_are_named(lab: Lab) -> None:
    lab.write()
    assert check_lines(lab) == ["WARN treatment"]


PLAY = """
import pytest
from harness import Experiment, Group, Measure, Play, Sample, Script, TrialResult
from harness.gateway.calls import CallSite, Request


def ask(client, prompt, **more):
    messages = [{{"role": "system", "content": "You help."}}, {{"role": "user", "content": prompt}}]
    return client.complete(Request(messages=messages, **more), CallSite("answer"))


async def play(plan, client):
    {body}
    return TrialResult(plan.trial, (Sample("length", float(len(text))),))


experiment = Experiment(
    name="asked",
    groups=(Group("plain", settings={{"tone": "plainly"}}), Group("rude", settings={{"tone": "rudely"}})),
    script=Script("", proposals=({{"id": "one"}}, {{"id": "two"}})),
    metrics=(Measure("length"),),
    play=Play(play),
)


@pytest.mark.experiment(experiment)
def test_asked(cell):
    cell.run()
"""
IGNORED = """unused = plan.arm["tone"]
    first = await ask(client, plan.proposal["id"])
    text = (await ask(client, f"You said {first.text} Go on.")).text"""
LATER = """first = await ask(client, plan.proposal["id"])
    text = (await ask(client, f"You said {first.text} Go on, {plan.arm['tone']}.")).text"""
SAMPLED = """text = (await ask(client, plan.proposal["id"], temperature=len(plan.arm["tone"]) / 10)).text"""
NONE = """text = plan.arm["tone"]"""


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (IGNORED, ["FAIL treatment"]),
        (LATER, []),
        (SAMPLED, []),
    ],
)
def test_settings_that_a_play_ignores_fail_the_check(lab: Lab, body: str, lines: list[str]) -> None:
    lab.write(PLAY.format(body=body))
    assert check_lines(lab) == lines


def test_a_play_without_a_call_is_named(lab: Lab) -> None:
    lab.write(PLAY.format(body=NONE))
    lab.run().stdout.fnmatch_lines(["*WARN calls, plain: no call of plain went through the gateway:*"])


def test_a_difference_that_no_arm_declares_fails_the_check(lab: Lab) -> None:
    """A fixture that changes the people of one arm would be declared; a function that looks at the arm is not."""
    source = with_treatment('Group("Treatment", instructions="Be concise, always.")')
    lab.write(
        source
        + """

@pytest.fixture(autouse=True)
def leak(monkeypatch):
    from harness.engines.embedded import prompts

    be = prompts.be
    def leaking(name, description, others, most, instructions=None):
        return be(name, description, others, most, instructions) + "\\nYou are tired." * bool(instructions)
    monkeypatch.setattr(prompts, "be", leaking)
"""
    )
    result = lab.run()
    result.stdout.fnmatch_lines(["*FAIL only the treatment, Treatment against Control:*"])
    assert "You are tired." in " ".join(result.outlines)


def test_an_engine_refuses_what_it_cannot_set_for_an_arm() -> None:
    own = experiment(groups=(Group("Control"), Group("Brief", memory_limit=2000, instructions="Be brief.")))
    population = load_population((Persona("Ada", {"job": "baker"}),))
    with pytest.raises(ConfigurationError) as refused:
        plan_cell(own, own.group("Brief"), 1, population=population, engine="tinytroupe")
    assert str(refused.value) == (
        "Group 'Brief' of small: engine 'tinytroupe' cannot set memory_limit for an arm; leave it out, or use the "
        "engine 'embedded'."
    )
    assert plan_cell(own, own.group("Brief"), 1, population=population, engine="embedded").trials
