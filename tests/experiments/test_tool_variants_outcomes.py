"""From one reply to one outcome: every class, and times in whatever form a variant has them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.experiments.tool_variants.abilities import (
    Ability,
    UnreadableError,
    moment,
    next_by_cron,
    next_by_step,
)
from harness.experiments.tool_variants.outcomes import called, judge
from harness.experiments.tool_variants.scenarios import FIXED_TIMESTAMP, SCENARIOS, TurnOutcome
from harness.experiments.tool_variants.variants import APPLIKE, BASELINE, VARIANTS

NOW = datetime.fromisoformat(FIXED_TIMESTAMP)
BY_ID = {scenario.id: scenario for scenario in SCENARIOS}


def once(at: str, **more: Any) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    """The same single event in both variants."""
    return (
        ("schedule_task", {"title": "x", "when": at, **more}),
        ("calendar_create_event", {"title": "x", "start": at}),
    )


def again(at: str, step: str, cron: str) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    return (
        ("schedule_task", {"title": "x", "when": at, "recurring": step}),
        ("reminders_create", {"title": "x", "cron": cron}),
    )


def look() -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    return ("list_tasks", {}), ("calendar_list_events", {})


def move(at: str) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    return ("update_task", {"task": "x", "when": at}), ("calendar_update_event", {"event": "x", "start": at})


RIGHT, TOOL, ARGUMENTS = TurnOutcome.ACTED, TurnOutcome.WRONG_TOOL, TurnOutcome.WRONG_ARGUMENTS
TABLE = [
    ("sanity:dentist", once("2026-03-12T15:00"), RIGHT),
    ("sanity:dentist", once("2026-03-12T15:00:00Z"), RIGHT),
    ("sanity:dentist", once("2026-03-12T16:00"), ARGUMENTS),
    ("sanity:dentist", once("2025-03-12T15:00"), ARGUMENTS),
    ("sanity:dentist", once("tomorrow at 3"), ARGUMENTS),
    ("sanity:dentist", once(""), ARGUMENTS),
    ("sanity:dentist", again("2026-03-12T15:00", "daily", "0 15 * * *"), TOOL),
    ("sanity:dentist", look(), TOOL),
    ("sanity:vitamins", again("2026-03-12T08:00", "daily", "0 8 * * *"), RIGHT),
    ("sanity:vitamins", again("2026-03-11T08:00", "daily", "00 08 * * 0-6"), RIGHT),
    ("sanity:vitamins", again("2026-03-12T08:00", "weekdays", "0 8 * * 1-5"), ARGUMENTS),
    ("sanity:vitamins", again("2026-03-12T20:00", "daily", "0 20 * * *"), ARGUMENTS),
    ("sanity:vitamins", once("2026-03-12T08:00"), TOOL),
    ("sanity:agenda", look(), RIGHT),
    ("ambiguous:evening", once("2026-03-11T18:30"), RIGHT),
    ("ambiguous:evening", once("2026-03-11T16:30"), ARGUMENTS),
    ("ambiguous:next-friday", once("2026-03-20T09:00"), RIGHT),
    ("ambiguous:next-friday", once("2026-03-27T09:00"), ARGUMENTS),
    ("routing:log-book", again("2026-03-11T17:30", "weekdays", "30 17 * * 1-5"), RIGHT),
    ("routing:log-book", again("2026-03-11T17:30", "daily", "30 17 * * *"), ARGUMENTS),
    ("routing:architect-moved", move("2026-03-20T14:00"), RIGHT),
    ("routing:architect-moved", look(), RIGHT),
    ("routing:architect-moved", move("2026-03-21T14:00"), ARGUMENTS),
    ("implicit:plane", once("2026-03-14T04:30"), RIGHT),
    ("implicit:plane", once("2026-03-14T07:30"), ARGUMENTS),
    ("implicit:rent", again("2026-04-01T09:00", "monthly", "0 9 1 * *"), RIGHT),
    ("implicit:rent", again("2026-03-30T09:00", "monthly", "0 9 30 * *"), RIGHT),
    ("implicit:rent", again("2026-03-15T09:00", "monthly", "0 9 15 * *"), ARGUMENTS),
    ("implicit:swimming", again("2026-03-17T15:30", "weekly", "30 15 * * 2"), RIGHT),
    ("implicit:swimming", again("2026-03-17T13:30", "weekly", "30 13 * * 2"), ARGUMENTS),
    ("implicit:swimming", again("2026-03-18T15:30", "weekly", "30 15 * * 3"), ARGUMENTS),
]


@pytest.mark.parametrize(("scenario", "calls", "outcome"), TABLE)
def test_the_same_act_comes_to_the_same_in_both_variants(
    scenario: str, calls: Any, outcome: TurnOutcome
) -> None:
    for variant, (name, args) in zip((BASELINE, APPLIKE), calls, strict=True):
        judged = judge(variant, BY_ID[scenario], "", [{"name": name, "args": args}], NOW)
        if args.get("when") == "" and variant is BASELINE:
            assert judged.outcome == ARGUMENTS  # a task for no time at all, where a time was given
            continue
        assert judged.outcome == outcome, (variant.name, judged)
        assert (judged.why == "") == (outcome == RIGHT)


def test_seconds_from_now() -> None:
    call = {"name": "schedule_task", "args": {"title": "bread", "delay_seconds": 1200}}
    assert judge(BASELINE, BY_ID["routing:bread"], "", [call], NOW).outcome == TurnOutcome.ACTED


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("When should that be?", TurnOutcome.CLARIFIED),
        ("Lisbon.", TurnOutcome.DECLINED),
        ("  \n", TurnOutcome.EMPTY),
    ],
)
def test_words_without_a_call(text: str, outcome: TurnOutcome) -> None:
    assert judge(BASELINE, BY_ID["negative:capital"], text, [], NOW).outcome == outcome


def test_another_variants_tool_is_the_wrong_one() -> None:
    call = {"name": "calendar_list_events", "args": {}}
    judged = judge(BASELINE, BY_ID["sanity:agenda"], "", [call], NOW)
    assert judged.outcome == TurnOutcome.WRONG_TOOL and "calendar_list_events" in judged.why


def test_a_look_beside_the_act_does_no_harm_and_a_second_act_does() -> None:
    look_first = {"name": "list_tasks", "args": {}}
    act = {"name": "schedule_task", "args": {"title": "x", "when": "2026-03-12T15:00"}}
    dentist = BY_ID["sanity:dentist"]
    assert judge(BASELINE, dentist, "", [look_first, act], NOW).outcome == TurnOutcome.ACTED
    other = {"name": "update_task", "args": {"task": "x"}}
    assert judge(BASELINE, dentist, "", [act, other], NOW).outcome == TurnOutcome.WRONG_TOOL
    late = {"name": "schedule_task", "args": {"title": "x", "when": "2026-03-13T15:00"}}
    assert judge(BASELINE, dentist, "", [act, late], NOW).outcome == TurnOutcome.WRONG_ARGUMENTS


def test_acting_where_nothing_was_wanted_is_acting_and_not_accepted() -> None:
    rain = BY_ID["negative:rain"]
    judged = judge(BASELINE, rain, "Sure.", [{"name": "list_tasks", "args": {}}], NOW)
    assert judged.outcome == TurnOutcome.ACTED and judged.outcome not in rain.accept


@pytest.mark.parametrize("arguments", ["not json", "[1]", '"x"', "7", "[" * 50_000])
def test_arguments_that_are_no_object(arguments: str) -> None:
    calls = called([{"function": {"name": "list_tasks", "arguments": arguments}}])
    assert judge(BASELINE, BY_ID["sanity:agenda"], "", calls, NOW).outcome == TurnOutcome.WRONG_ARGUMENTS


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_NAMES = sorted({key for variant in VARIANTS.values() for tool in variant.tools for key in tool.properties})


@given(
    st.sampled_from(sorted(VARIANTS)),
    st.sampled_from(sorted(BY_ID)),
    st.sampled_from(
        ["schedule_task", "list_tasks", "update_task", "calendar_create_event", "reminders_create", "?"]
    ),
    st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=4),
)
def test_whatever_a_model_calls_has_one_outcome(
    variant: str, scenario: str, name: str, args: dict[str, Any]
) -> None:
    judged = judge(VARIANTS[variant], BY_ID[scenario], "", [{"name": name, "args": args}], NOW)
    assert judged.outcome in (TurnOutcome.ACTED, TurnOutcome.WRONG_ARGUMENTS, TurnOutcome.WRONG_TOOL)


def test_twenty_scenarios_in_five_categories() -> None:
    counted = Counter(scenario.category for scenario in SCENARIOS)
    assert counted == {"sanity": 3, "ambiguous": 6, "routing": 4, "negative": 4, "implicit": 3}
    assert len(BY_ID) == 20 and len({scenario.prompt for scenario in SCENARIOS}) == 20
    assert all(scenario.accept and scenario.description for scenario in SCENARIOS)
    assert all(scenario.expected for scenario in SCENARIOS if TurnOutcome.ACTED in scenario.accept)


def test_no_prompt_of_a_scenario_names_a_tool() -> None:
    for scenario in SCENARIOS:
        for variant in VARIANTS.values():
            for tool in variant.tools:
                assert tool.name.replace("_", " ") not in scenario.prompt.lower()


def test_every_expected_time_can_be_met_in_both_variants() -> None:
    for scenario in SCENARIOS:
        expected = scenario.expected
        if expected is not None and expected.at:
            assert moment(expected.at[0]) > NOW
        if expected is not None and expected.cron:
            assert len(next_by_cron(expected.cron, NOW)) == 5


@pytest.mark.parametrize(
    "bad", ["", "* * *", "99 * * * *", "@reboot", 5, None, "0 " * 100, "0 8 * * MONDAYISH", "0 8 30 2 *"]
)
def test_no_cron(bad: Any) -> None:
    with pytest.raises(UnreadableError):
        next_by_cron(bad, NOW)


def test_a_day_that_comes_seldom() -> None:
    assert [at.year for at in next_by_cron("0 8 29 2 *", NOW)] == [2028, 2032]


@pytest.mark.parametrize(
    ("first", "step", "second"),
    [
        ("2026-03-13T08:00", "weekdays", "2026-03-16T08:00"),
        ("2026-03-13T08:00", "daily", "2026-03-14T08:00"),
        ("2026-03-13T08:00", "weekly", "2026-03-20T08:00"),
        ("2026-03-13T08:00", "monthly", "2026-04-13T08:00"),
    ],
)
def test_steps(first: str, step: str, second: str) -> None:
    found = next_by_step(moment(first), step, NOW)
    assert found[:2] == (moment(first), moment(second))


def test_abilities_have_plain_names() -> None:
    assert [str(ability) for ability in Ability] == ["create_once", "create_recurring", "list", "update"]
