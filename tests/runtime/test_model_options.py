"""Request fields that experiments, arms and sessions declare: what is refused, and which level decides."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import ConfigurationError
from harness.gateway.calls import Request
from harness.gateway.requests.model_options import CallOptions, unsent
from harness.model import Experiment, Group, Measure, Persona, Script, option_problems
from harness.personas import load
from harness.runtime.plan import plan_cell
from harness.runtime.provenance import PlanCode, base_settings, group_settings
from harness.runtime.setting_sources import command_line, override, read_model_options
from harness.runtime.settings import Settings

PEOPLE = (Persona("Ada", {}), Persona("Bo", {}))


def design(arm: dict[str, Any] | None = None, **more: Any) -> Experiment:
    groups = (Group("Control"), Group("Treatment", model_options=arm or {}))
    return Experiment(
        name="talk",
        population=PEOPLE,
        groups=groups,
        script=Script(task="Talk."),
        metrics=(Measure("n", len),),
        **more,
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "gpt-5"}, "['model']: cannot be set here: the session chooses the model"),
        ({"messages": []}, "the experiment writes the messages"),
        ({"stream": True}, "replies are read whole"),
        ({"n": 2}, "each sample is one call"),
        ({"response_format": {}}, "each call sets its own format"),
        ({"seed": 1}, "set a provider seed"),
        ({"tools": []}, "in the play's own requests"),
        ({"max_completion_tokens": 5}, "write max_tokens"),
        ({"extra_body": {}}, "give the fields themselves"),
        ({"api_key": "x"}, "keys come from the environment alone"),
        ({"X-Api-Key": "x"}, "keys come from the environment alone"),
        ({"top p": 1}, "expected a field's name"),
        ({3: 1}, "expected a field's name"),
        ({"top_p": float("nan")}, "is not finite"),
        ({"logit_bias": {"50256": float("inf")}}, "is not finite"),
        ({"logit_bias": {50256: 1}}, "has a key that is not text"),
        ({"stop": {"a"}}, "holds a set"),
        ({"stop": "\ud800"}, "half of a surrogate pair"),
        ({"temperature": 3}, "expected a number from 0 to 2"),
        ({"temperature": True}, "expected a number from 0 to 2"),
        ({"max_tokens": 0}, "expected a whole number from 1"),
        ({"max_tokens": 1.5}, "expected a whole number from 1"),
        ({"max_tokens": {"act": 0}}, "['max_tokens']['act']=0; expected a whole number from 1"),
        ({"max_tokens": {3: 4}}, "expected the name of a kind of call"),
        ({"max_tokens": "none"}, "expected a whole number from 1, 'unlimited', or null"),
        ([("top_p", 1)], "expected a mapping"),
    ],
)
def test_an_option_that_cannot_be_sent_is_refused_with_its_name(options: Any, said: str) -> None:
    assert said in "\n".join(option_problems("Group 'A' of talk: model_options", options))
    with pytest.raises(ConfigurationError, match="Treatment"):
        design(options)


def test_deep_nesting_is_refused_and_plain_nesting_is_not() -> None:
    deep: Any = 1
    for _ in range(30):
        deep = [deep]
    assert not list(option_problems("x", {"thinking": {"type": "enabled", "budget_tokens": 1024}}))
    assert "levels deep" in "".join(option_problems("x", {"a": deep}))


def test_options_of_a_session_are_read_as_json_else_as_text() -> None:
    found = read_model_options(
        ["top_p=0.9", "reasoning_effort=low", 'stop=["a","b"]', "think=false", 'user="5"', "x=a=b", "k=null"]
    )
    assert found == {
        "top_p": 0.9, "reasoning_effort": "low", "stop": ["a", "b"], "think": False, "user": "5", "x": "a=b", "k": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["top_p"], "expected NAME=VALUE"),
        (["top_p="], "expected NAME=VALUE"),
        (["top_p=1", "top_p=0.5"], "'top_p' is given twice"),
        (["think=False"], "write think=false, as in JSON"),
        (["top_p=NaN"], "is not finite"),
        (["seed=3"], "set a provider seed"),
        (["stop=" + "[" * 100_000], None),
    ],
)
def test_a_malformed_session_option_is_refused(texts: list[str], said: str | None) -> None:
    if said is None:
        assert read_model_options(texts)  # text that only looks like JSON
        return
    with pytest.raises(ConfigurationError, match=said):
        read_model_options(texts)


def test_temperature_is_not_given_twice_at_one_level() -> None:
    with pytest.raises(ConfigurationError, match="both set"):
        design(temperature=0.2, model_options={"temperature": 0.3})
    with pytest.raises(ConfigurationError, match="given twice"):
        override(Settings(), command_line({"temperature": 0.2, "model_options": ["temperature=0.3"]}))


@pytest.mark.parametrize(
    ("experiment", "session", "arm", "temperatures", "shared"),
    [
        ({}, (None, {}), {}, [None, None], {}),
        ({"temperature": 0.2}, (None, {}), {}, [0.2, 0.2], {"temperature": 0.2}),
        ({"temperature": 0.2}, (1.0, {}), {}, [1.0, 1.0], {"temperature": 1.0}),
        ({"temperature": 0.2}, (None, {"temperature": None}), {}, [None, None], {}),
        ({"temperature": 0.2}, (1.0, {}), {"temperature": 0.7}, [1.0, 0.7], {"temperature": 1.0}),
        ({}, (1.0, {}), {"temperature": None}, [1.0, None], {"temperature": 1.0}),
        (
            {"model_options": {"top_p": 0.1, "max_tokens": 9}},
            (None, {"top_p": 0.2, "max_tokens": None}),
            {"top_p": 0.3},
            [None, None],
            {"top_p": 0.2},
        ),
    ],
)
def test_the_arm_decides_over_the_session_and_the_session_over_the_experiment(
    experiment: dict[str, Any],
    session: tuple[float | None, dict[str, Any]],
    arm: dict[str, Any],
    temperatures: list[float | None],
    shared: dict[str, Any],
) -> None:
    made = design(arm, **experiment)
    plans = [
        plan_cell(
            made,
            group,
            1,
            population=load(PEOPLE),
            engine="embedded",
            temperature=session[0],
            model_options=session[1],
        )
        for group in made.groups
    ]
    assert [plan.trials[0].temperature for plan in plans] == temperatures
    assert plans[0].model_options == shared
    settings = base_settings(plans[0], PlanCode(), declared_population=None)
    assert settings == base_settings(plans[1], PlanCode(), declared_population=None)
    others = {name: value for name, value in shared.items() if name != "temperature"}
    assert settings.get("model_options", {}) == others
    assert settings.get("temperature") == shared.get("temperature")
    assert group_settings(plans[1], PlanCode(), declared_population=None).get("model_options", {}) == arm


def test_what_identifies_a_run_without_options_is_as_it_was() -> None:
    made = design()
    plan = plan_cell(made, made.groups[0], 1, population=load(PEOPLE), engine="embedded", temperature=0.5)
    assert "model_options" not in base_settings(plan, PlanCode(), declared_population=None)
    assert "model_options" not in group_settings(plan, PlanCode(), declared_population=None)


def test_a_field_that_the_request_names_wins_unless_an_engine_puts_its_defaults_there() -> None:
    asked = Request((), temperature=1.2, extra={"top_p": 1.0})
    options = {"temperature": 0.3, "top_p": 0.5, "max_tokens": 9}
    filled = CallOptions(options).fill(asked, options)
    assert (filled.temperature, filled.max_tokens, filled.extra) == (1.2, 9, {"top_p": 1.0})
    assert unsent(filled, options) == {"temperature", "top_p"}
    replaced = CallOptions(options, replaced=frozenset({"top_p"})).fill(asked, options)
    assert (replaced.temperature, replaced.max_tokens, replaced.extra) == (1.2, 9, {"top_p": 0.5})


@pytest.mark.parametrize(
    ("kind", "apart", "expected"),
    [
        ("act", False, {"top_p": 0.5, "max_tokens": 9}),
        ("quality_check", False, {"top_p": 0.5, "max_tokens": 9}),
        ("quality_check", True, {"temperature": 0.1}),
        ("score_person", False, {"top_p": 0.9, "max_tokens": 9}),
        ("extract", True, {"temperature": 0.1}),
    ],
)
def test_an_arms_options_never_reach_the_calls_that_measure(
    kind: str, apart: bool, expected: dict[str, Any]
) -> None:
    options = CallOptions({"top_p": 0.9, "max_tokens": 9}, {"top_p": 0.5}, judge={"temperature": 0.1})
    assert options.of(kind, apart=apart) == expected


def planned(**fields: Any) -> None:
    experiment = design(**fields)
    for group in experiment.groups:
        plan_cell(experiment, group, 1, population=load(PEOPLE, ()), engine="embedded")


def test_a_limit_for_a_kind_of_call_that_does_not_occur_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigurationError, match=r"\['score_persons'\]: unknown kind of call; did you mean 'score_person'"
    ):
        planned(model_options={"max_tokens": {"score_persons": 9}})


def test_an_arm_cannot_limit_the_calls_that_measure_it() -> None:
    with pytest.raises(ConfigurationError, match="declare it for the experiment"):
        planned(arm={"max_tokens": {"extract": 9}})
    planned(arm={"max_tokens": {"act": 9}}, model_options={"max_tokens": {"extract": 9}})


def test_default_limits_are_no_part_of_a_runs_identity() -> None:
    experiment = design()
    plan = plan_cell(experiment, experiment.groups[0], 1, population=load(PEOPLE, ()), engine="embedded")
    assert "model_options" not in base_settings(plan, PlanCode(), declared_population=None)
