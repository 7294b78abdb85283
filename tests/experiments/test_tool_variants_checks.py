"""The instrument is checked before the first call: parity, lint, weekdays."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

import pytest

from harness.experiments.tool_variants.abilities import Ability
from harness.experiments.tool_variants.design_checks import lint, parity, weekdays
from harness.experiments.tool_variants.experiment import tool_variants
from harness.experiments.tool_variants.prompts import ZERO_PERSONA, system_prompt
from harness.experiments.tool_variants.scenarios import FIXED_TIMESTAMP
from harness.experiments.tool_variants.variants import APPLIKE, BASELINE, VARIANTS, Tool

NOW = datetime.fromisoformat(FIXED_TIMESTAMP)


def faults(settings: dict[str, str]) -> list[str]:
    experiment = replace(tool_variants(), settings=settings)
    assert experiment.play is not None and experiment.play.check is not None
    return list(experiment.play.check(experiment))


def test_the_study_as_it_is_has_no_fault() -> None:
    assert not faults(dict(tool_variants().settings))


def test_the_prompt_says_the_computed_weekday() -> None:
    assert "It is Wednesday, 2026-03-11, 09:30." in system_prompt(tool_variants().settings)
    later = {"zero_persona": ZERO_PERSONA, "fixed_timestamp": "2024-02-29T23:05:00"}
    assert "It is Thursday, 2024-02-29, 23:05." in system_prompt(later)


@pytest.mark.parametrize(
    "planted",
    ["Use schedule_task for everything.", "You may Schedule Task by task.", "calendar-create-event!"],
)
def test_a_tool_named_in_the_prompt(planted: str) -> None:
    (fault,) = faults({"zero_persona": f"{ZERO_PERSONA} {planted}", "fixed_timestamp": FIXED_TIMESTAMP})
    assert "the system prompt names" in fault and "leave it out" in fault


def test_words_that_only_look_like_a_tool() -> None:
    assert not list(lint("You schedule many tasks, list them and update each.", VARIANTS.values()))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("It is Tuesday, 2026-03-11.", "the prompt says Tuesday, 2026-03-11, which is a Wednesday."),
        ("on monday 2026-02-30", "2026-02-30 is not a date."),
        ("It is Wednesday, 2026-03-11.", None),
        ("Wednesday comes after Tuesday.", None),
    ],
)
def test_weekdays(text: str, fault: str | None) -> None:
    assert list(weekdays(text)) == ([fault] if fault else [])


def test_a_planted_weekday_stops_the_run() -> None:
    planted = {
        "zero_persona": f"{ZERO_PERSONA} Yesterday was Monday, 2026-03-10.",
        "fixed_timestamp": FIXED_TIMESTAMP,
    }
    (fault,) = faults(planted)
    assert "which is a Tuesday" in fault


def without(ability: Ability) -> dict[Ability, object]:
    return {one: call for one, call in APPLIKE.examples.items() if one != ability}


@pytest.mark.parametrize("ability", list(Ability))
def test_a_variant_that_cannot_do_it(ability: Ability) -> None:
    poorer = replace(APPLIKE, examples=without(ability))
    (fault,) = parity({"baseline": BASELINE, "applike": poorer}, NOW)
    assert f"'applike' cannot express {ability}" in fault


def test_examples_that_do_not_fit() -> None:
    def with_example(ability: Ability, call: object) -> dict[str, object]:
        return {"applike": replace(APPLIKE, examples=MappingProxyType({**APPLIKE.examples, ability: call}))}

    for call, said in (
        (("calendar_forget", {}), "which the variant does not have"),
        (("calendar_create_event", {"title": "tea"}), "does not match the tool's schema"),
        (("calendar_create_event", {"title": "tea", "start": "noon"}), "cannot be read"),
        (("calendar_list_events", {}), "means something else"),
    ):
        (fault,) = parity(with_example(Ability.CREATE_ONCE, call), NOW)  # type: ignore[arg-type]
        assert said in fault


def test_examples_of_different_times() -> None:
    other = replace(
        APPLIKE,
        examples={
            **APPLIKE.examples,
            Ability.UPDATE: ("calendar_update_event", {"event": "x", "start": "2026-04-01T10:00"}),
        },
    )
    (fault,) = parity({"baseline": BASELINE, "applike": other}, NOW)
    assert "mean different times in baseline, applike" in fault


def test_a_third_variant_is_one_entry() -> None:
    def read(arguments, now):  # type: ignore[no-untyped-def]
        return BASELINE.read(arguments["do"], arguments["with"], now)

    properties = {"do": {"type": "string"}, "with": {"type": "object"}}
    tool = Tool("do", "Does one thing.", properties, ("do", "with"), read)
    examples = {
        ability: ("do", {"do": name, "with": args}) for ability, (name, args) in BASELINE.examples.items()
    }
    third = replace(BASELINE, name="one-tool", tools=(tool,), examples=examples)
    assert not list(parity({**VARIANTS, "one-tool": third}, NOW))
    assert [group.name for group in tool_variants({**VARIANTS, "one-tool": third}).groups][-1] == "one-tool"
