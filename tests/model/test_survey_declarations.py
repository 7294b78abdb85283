"""Surveys as they are declared: what each kind of item accepts and refuses, its numbers, and faulty declarations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import (
    Allocation,
    Choice,
    ConfigurationError,
    Experiment,
    FreeText,
    Group,
    Likert,
    Matrix,
    Measure,
    MultipleChoice,
    Numeric,
    Persona,
    Play,
    Ranking,
    Script,
    Survey,
    YesNo,
)
from harness.gateway.requests.schemas import checker
from harness.model import AnswerFault, Item, read_items
from harness.model.survey.conditions import holds

TRUST = Likert("trust", "How far do you trust the council?", opt_out=("don't know",))
STAY = Choice("stay", "Will you stay?", options=("yes", "no"))
GOALS = Ranking("goals", "What matters?", options=("peace", "wealth", "friends"))
DRINKS = MultipleChoice("drinks", "What do you drink?", options=("tea", "coffee", "milk"), least=1, most=2)
RENT = Numeric("rent", "What rent is fair?", least=0, most=5_000, whole=True)
BUDGET = Allocation("budget", "Divide it.", options=("roads", "schools"))
INSTITUTIONS = Matrix(
    "inst", "How far do you trust …", rows=("the police", "the press"), opt_out=("no answer",)
)
MOVED = YesNo("moved", "Have you moved?")
WHY = FreeText("why", "Why?", categories={"money": "costs", "other": "anything else"}, longest=10)
ITEMS = (TRUST, STAY, GOALS, DRINKS, RENT, BUDGET, INSTITUTIONS, MOVED, WHY)


def experiment(*items: Item, groups: tuple[Group, ...] = (Group("a"), Group("b")), **more: Any) -> Experiment:
    survey = {name: more.pop(name) for name in tuple(more) if name in Survey.FIELDS and name != "survey"}
    fields: dict[str, Any] = {
        "name": "trust",
        "population": (Persona("Ada", {"age": 31}),),
        "groups": groups,
        "survey": Survey(items=items or (TRUST, STAY), **survey),
    }
    return Experiment(**fields | more)


@pytest.mark.parametrize(
    ("item", "given", "numbers"),
    [
        (TRUST, 4, {"trust": 4}),
        (TRUST, 4.0, {"trust": 4}),
        (TRUST, "don't know", {"trust": None}),
        (STAY, "no", {"stay=yes": 0}),
        (GOALS, ["wealth", "peace", "friends"], {"goals[peace]": 2, "goals[wealth]": 1, "goals[friends]": 3}),
        (DRINKS, ["milk", "tea"], {"drinks=tea": 1, "drinks=coffee": 0, "drinks=milk": 1}),
        (RENT, 640, {"rent": 640}),
        (BUDGET, {"roads": 30, "schools": 70}, {"budget[roads]": 30, "budget[schools]": 70}),
        (
            INSTITUTIONS,
            {"the police": 2, "the press": "no answer"},
            {"inst[the police]": 2, "inst[the press]": None},
        ),
        (MOVED, "yes", {"moved": 1}),
    ],
)
def test_an_answer_becomes_the_numbers_of_its_metrics(
    item: Item, given: Any, numbers: Mapping[str, float | None]
) -> None:
    answer = item.read(given)
    assert item.numbers(answer) == numbers
    assert checker(item.schema).is_valid(given)
    assert [one.name for one in item.measures] == list(numbers)


@pytest.mark.parametrize(
    ("item", "given", "said"),
    [
        (TRUST, 6, "not on the scale"),
        (TRUST, 0, "not on the scale"),
        (TRUST, 3.5, "not on the scale"),
        (TRUST, "4", "not on the scale"),
        (TRUST, True, "not on the scale"),
        (TRUST, None, "not on the scale"),
        (STAY, "Yes", "Did you mean 'yes'"),
        (STAY, "don't know", "not an option"),
        (GOALS, ["peace", "wealth"], "'friends' is not ranked"),
        (GOALS, ["peace", "peace", "friends"], "named 2 times"),
        (DRINKS, [], "0 options are chosen"),
        (DRINKS, ["tea", "coffee", "milk"], "3 options are chosen"),
        (DRINKS, "tea", "not a list"),
        (RENT, 5_001, "out of range"),
        (RENT, 1.5, "not a whole number"),
        (RENT, float("nan"), "not a number"),
        (BUDGET, {"roads": 30, "schools": 60}, "add up to 90"),
        (BUDGET, {"roads": -10, "schools": 110}, "0 or more"),
        (BUDGET, {"roads": 100}, "'schools' has no answer"),
        (INSTITUTIONS, {"the police": 9, "the press": 1}, "the police: 9"),
        (INSTITUTIONS, "no answer", "does not give"),
        (MOVED, True, "not an option"),
        (WHY, "   ", "empty"),
        (WHY, 3, "not text"),
    ],
)
def test_what_is_not_an_answer_is_refused_with_its_reason(item: Item, given: Any, said: str) -> None:
    with pytest.raises(AnswerFault, match=said):
        item.read(given)


@pytest.mark.parametrize(
    ("item", "answer", "words"),
    [
        (TRUST, 4, "4"),
        (Likert("a", "?", labels=("not at all", "completely")), 5, "completely"),
        (STAY, "no", "no"),
        (DRINKS, ["tea", "milk"], "tea, milk"),
        (Numeric("rent", "?", unit="euros"), 640, "640 euros"),
        (BUDGET, {"roads": 30, "schools": 70}, "roads: 30, schools: 70"),
        (INSTITUTIONS, {"the police": 2, "the press": "no answer"}, "the police: 2, the press: no answer"),
        (Matrix("m", "?", rows=("a",), points=3, labels=("low", "middle", "high")), {"a": 2}, "a: middle"),
    ],
)
def test_an_answer_in_words_is_what_later_questions_and_transcripts_repeat(
    item: Item, answer: Any, words: str
) -> None:
    assert item.words(item.read(answer)) == words


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), st.lists))
def test_no_data_breaks_an_item(data: Any) -> None:
    for item in ITEMS:
        try:
            item.numbers(item.read(data))
        except AnswerFault as fault:
            assert str(fault)


def test_items_survive_their_plain_form() -> None:
    assert read_items([item.declared for item in ITEMS]) == ITEMS


def test_a_survey_gives_the_experiment_its_script_metrics_and_panels() -> None:
    own = Measure("words", lambda transcript: len(transcript))
    found = experiment(*ITEMS, metrics=(own,))
    assert found.metric_names[:3] == ("trust", "stay=yes", "goals[peace]")
    assert found.metrics[-1] == own
    assert found.panel_size == 1
    assert found.metrics[0].scale == (1, 5)  # type: ignore[union-attr]
    assert experiment(*ITEMS, metrics=found.metrics).metrics == found.metrics, (
        "its own metrics once, also again"
    )


def test_an_arm_words_the_survey_its_own_way() -> None:
    framed = Group("framed", survey={"introduction": "Read this.", "trust": "Do you trust the people there?"})
    survey = experiment(groups=(Group("a"), framed)).play_of(framed)
    assert isinstance(survey, Survey)
    assert (survey.introduction, survey.items[0].question) == ("Read this.", "Do you trust the people there?")
    assert framed.declared == {"survey": dict(framed.survey)}
    assert "survey" not in Group("plain").declared


WHEN = 'trust >= 4 and not stay == "no"'


@pytest.mark.parametrize(
    ("condition", "answers", "found"),
    [
        (WHEN, {"trust": 4, "stay": "yes"}, True),
        (WHEN, {"trust": 3, "stay": "yes"}, False),
        (WHEN, {"trust": 3}, False),
        (WHEN, {"trust": 4}, None),
        (WHEN, {"trust": "don't know", "stay": "yes"}, False),
        ('trust == "don\'t know" or trust < 2', {"trust": "don't know"}, True),
        ("2 <= trust <= 4", {"trust": 3}, True),
        ("stay in ('yes', 'no')", {"stay": "no"}, True),
        ("'tea' in drinks", {"drinks": ["tea"]}, True),
        ("goals['peace'] == 1", {"goals": ["peace", "wealth"]}, True),
        ("inst['the press'] > 2", {"inst": {"the press": 3}}, True),
        ("inst['the press'] > 2", {"inst": {}}, None),
    ],
)
def test_a_condition_holds_does_not_or_depends_on_what_is_missing(
    condition: str, answers: Mapping[str, Any], found: bool | None
) -> None:
    assert holds(condition, answers) is found


@pytest.mark.parametrize(
    ("items", "more", "said"),
    [
        ((Choice("stay", "Stay?"),), {}, "item 'stay': has no options; expected at least two"),
        ((Choice("stay", "Stay?", options=("yes",)),), {}, "has the one option 'yes'"),
        ((Choice("stay", "Stay?", options=("yes", "yes")),), {}, "'yes' is declared 2 times"),
        (
            (Choice("stay", "Stay?", options=("yes", "no"), opt_out=("no",)),),
            {},
            "'no' is also one of its options",
        ),
        ((TRUST, Likert("trust", "Again?")), {}, "item 'trust' is declared 2 times"),
        ((Likert("a b", "Why?"),), {}, "expected a name of a letter"),
        ((Likert("in", "Why?"),), {}, "not a word of Python"),
        ((Likert("trust", "?", labels=("a", "b", "c")),), {}, "3 labels for 5 points"),
        ((Likert("trust", "?", points=1),), {}, "points=1; expected 2 to 101"),
        ((Numeric("rent", "?", least=3, most=1),), {}, "the least below the most"),
        ((MultipleChoice("m", "?", options=("a", "b"), most=3),), {}, "at most its 2 options"),
        ((Matrix("m", "?", rows=()),), {}, "has no rows"),
        ((FreeText("why", "?", categories={"one": ""}),), {}, "has one category"),
        ((YesNo("b", "?", when="trsut == 4"), TRUST), {}, "there is no item 'trsut'"),
        ((TRUST, YesNo("b", "?", when="trsut == 4")), {}, "Did you mean 'trust'"),
        ((YesNo("b", "?", when="trust == 4"), TRUST), {}, "comes later"),
        ((TRUST, YesNo("b", "?", when="trust == 9")), {}, "9 is not on the scale"),
        ((STAY, YesNo("b", "?", when="stay == 'ye'")), {}, "Did you mean 'yes'"),
        ((STAY, YesNo("b", "?", when="stay > 'no'")), {}, "has no order"),
        ((DRINKS, YesNo("b", "?", when="drinks == 'tea'")), {}, "expected 'tea' in drinks"),
        ((GOALS, YesNo("b", "?", when="goals['pace'] == 1")), {}, "has no part 'pace'"),
        ((TRUST, YesNo("b", "?", when="__import__('os')")), {}, "is not a comparison"),
        ((TRUST, YesNo("b", "?", when="trust.real == 1")), {}, "neither an item nor a value"),
        ((TRUST, YesNo("b", "?", when="trust ==")), {}, "it cannot be read"),
        ((TRUST, YesNo("b", "You said {trsut}?")), {}, "uses {trsut}, which is not an earlier item"),
        ((YesNo("b", "You said {trust}?"), TRUST), {}, "repeats {trust}, which comes later"),
        ((TRUST,), {"probabilities": True}, "expected ask='separately'"),
        ((RENT,), {"probabilities": True, "ask": "separately"}, "no item is a Likert, Choice or YesNo"),
        ((TRUST,), {"ask": "apart"}, "expected 'together' or 'separately'"),
        ((TRUST,), {"panel_size": 2}, "each persona answers by itself"),
        ((TRUST,), {"population": ()}, "has no population"),
        ((TRUST,), {"play": Play(lambda plan, client: None)}, "survey= and play= are both set"),
        ((TRUST,), {"script": Script("Talk.")}, "task= is not read in a survey"),
        ((TRUST,), {"settings": {"tone": "dry"}}, "are not read in a survey"),
        ((TRUST,), {"groups": (Group("a", memory_limit=2_000),)}, "memory_limit= is not read"),
        ((TRUST,), {"groups": (Group("a", survey={"trsut": "?"}),)}, "Did you mean 'trust'"),
        ((TRUST,), {"groups": (Group("a", survey={"trust": " "}),)}, "expected a question"),
        ((TRUST,), {"groups": (Group("a", survey={"trust": "{no}?"}),)}, "uses {no}"),
    ],
)
def test_a_faulty_survey_is_refused_with_one_error(
    items: tuple[Item, ...], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        experiment(*items, **more)
    assert said in str(raised.value)
    assert len(raised.value.problems) == 1, raised.value.problems


def test_items_without_a_survey_are_refused_by_what_was_given() -> None:
    with pytest.raises(ConfigurationError, match="expected a Survey, such as"):
        Experiment("talk", (Group("a"),), survey=[TRUST])  # type: ignore[arg-type]


def test_words_of_a_survey_need_a_survey() -> None:
    with pytest.raises(ConfigurationError, match="the experiment has none"):
        Experiment(
            "talk",
            (Group("a", survey={"x": "y"}),),
            Script("Talk."),
            (Measure("n", len),),
            population=(Persona("A", {}),),
        )


def test_an_experiment_without_a_survey_still_needs_script_and_metrics() -> None:
    with pytest.raises(ConfigurationError, match="Experiment: script, metrics missing"):
        Experiment(name="talk", groups=(Group("a"),))
